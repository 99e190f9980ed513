// Tests the machine's file system, in a separate directory under /tmp.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

class PosixFileSystemTest : public ::testing::Test {
protected:
    PosixFileSystemTest() {
        std::string name = (std::filesystem::temp_directory_path() / "flowrelay-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
        root = name;
    }
    ~PosixFileSystemTest() override { std::filesystem::remove_all(root); }

    std::string path(const char* name) const { return root + "/" + name; }

    static mode_t mode(const std::string& file) {
        struct stat status{};
        EXPECT_EQ(::stat(file.c_str(), &status), 0);
        return status.st_mode & 07777U;
    }

    static std::string text(File& file) {
        std::vector<std::uint8_t> bytes(100);
        const auto got = file.read_at(0, bytes);
        EXPECT_TRUE(got.has_value());
        return std::string(as_text(std::span(bytes).first(got.has_value() ? *got : 0)));
    }

    std::unique_ptr<FileSystem> fs = make_posix_file_system();
    std::string root;
};

TEST_F(PosixFileSystemTest, InodesThatAreUsedUpAreCalledSo) {
    const std::string small = path("small");
    std::filesystem::create_directory(small);
    if (::mount("flowrelay-test", small.c_str(), "tmpfs", 0, "nr_inodes=4") != 0) {
        ASSERT_EQ(errno, EPERM);
        std::puts("not tested: this user may not mount a file system");
        return;
    }
    Error error;
    for (int i = 0; i < 8 && !error.code; ++i) {
        const auto file = fs->create(small + "/" + std::to_string(i));
        if (file.has_error()) error = file.error();
    }
    const auto directory = fs->make_directory(small + "/directory");
    ::umount(small.c_str());
    EXPECT_TRUE(is_disk_full(error.code));
    ASSERT_TRUE(directory.has_error());
    for (const auto& message : {error.message, directory.error().message}) {
        EXPECT_NE(message.find("no inodes are left"), std::string::npos) << message;
    }
}

TEST_F(PosixFileSystemTest, AnErrorNamesAFileAsItIsCalledNow) {
    ASSERT_TRUE(fs->create(path("old")).has_value());
    const auto file = fs->open_read_only(path("old"));
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(fs->rename(path("old"), path("new")).has_value());
    const std::vector<std::uint8_t> byte(1);
    const auto written = (*file)->write_at(0, byte);
    ASSERT_TRUE(written.has_error());
    EXPECT_EQ(written.error().message, "cannot write to " + path("new") + ": Bad file descriptor");
}

TEST_F(PosixFileSystemTest, ADirectoryThatWasSyncedOnceIsSyncedWithoutADescriptorLeft) {
    ASSERT_TRUE(fs->sync_directory(root).has_value());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(0);
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto opened = fs->create(path("file"));
    const auto synced = fs->sync_directory(root);
    ::setrlimit(RLIMIT_NOFILE, &before);
    ASSERT_TRUE(opened.has_error());
    EXPECT_TRUE(is_out_of_descriptors(opened.error().code));
    EXPECT_TRUE(synced.has_value());
}

TEST_F(PosixFileSystemTest, ADirectoryThatWasMadeAnewIsTheOneThatIsSynced) {
    ASSERT_TRUE(fs->make_directory(path("directory")).has_value());
    ASSERT_TRUE(fs->sync_directory(path("directory")).has_value());
    std::filesystem::remove(path("directory"));
    EXPECT_TRUE(fs->sync_directory(path("directory")).has_error());
    ASSERT_TRUE(fs->make_directory(path("directory")).has_value());
    EXPECT_TRUE(fs->sync_directory(path("directory")).has_value());
}

TEST_F(PosixFileSystemTest, FilesAndDirectoriesAreOurs) {
    const mode_t before = ::umask(0);
    const auto file = fs->create(path("file"));
    const auto made = fs->make_directory(path("directory"));
    const auto lock = fs->lock(path("lock"));
    ::umask(before);
    ASSERT_TRUE(file.has_value() && made.has_value() && lock.has_value());
    EXPECT_EQ(mode(path("file")), 0600U);
    EXPECT_EQ(mode(path("directory")), 0700U);
    EXPECT_EQ(mode(path("lock")), 0600U);
}

TEST_F(PosixFileSystemTest, ReadsWhatWasWritten) {
    const auto file = fs->create(path("file"));
    ASSERT_TRUE((*file)->write_at(3, as_bytes("def")).has_value());
    ASSERT_TRUE((*file)->write_at(0, as_bytes("abc")).has_value());
    ASSERT_TRUE((*file)->sync().has_value());
    EXPECT_EQ(text(**file), "abcdef");
    const auto again = fs->open_read_only(path("file"));
    EXPECT_EQ(text(**again), "abcdef");
    EXPECT_TRUE((*again)->write_at(0, as_bytes("x")).has_error());
}

TEST_F(PosixFileSystemTest, ReadingBehindTheEndGivesLess) {
    const auto file = fs->create(path("file"));
    ASSERT_TRUE((*file)->write_at(0, as_bytes("abc")).has_value());
    std::vector<std::uint8_t> bytes(10);
    EXPECT_EQ((*file)->read_at(1, bytes).value(), 2U);
    EXPECT_EQ((*file)->read_at(3, bytes).value(), 0U);
    EXPECT_EQ((*file)->read_at(99, bytes).value(), 0U);
}

TEST_F(PosixFileSystemTest, AllocatedSpaceIsZeroAndHasItsBlocks) {
    const auto file = fs->create(path("file"));
    ASSERT_TRUE((*file)->allocate(1 << 20).has_value());
    EXPECT_EQ((*file)->size().value(), 1U << 20);
    struct stat status{};
    ASSERT_EQ(::stat(path("file").c_str(), &status), 0);
    EXPECT_GE(status.st_blocks, (1 << 20) / 512);
    std::vector<std::uint8_t> bytes(4096, 0xEE);
    ASSERT_EQ((*file)->read_at((1 << 20) - 4096, bytes).value(), 4096U);
    EXPECT_EQ(bytes, std::vector<std::uint8_t>(4096));
    ASSERT_TRUE((*file)->truncate(10).has_value());
    EXPECT_EQ((*file)->size().value(), 10U);
}

TEST_F(PosixFileSystemTest, CreatingTwiceIsAnErrorWithThePath) {
    ASSERT_TRUE(fs->create(path("file")).has_value());
    const auto again = fs->create(path("file"));
    ASSERT_TRUE(again.has_error());
    EXPECT_EQ(again.error().code, boost::system::errc::file_exists);
    EXPECT_EQ(again.error().message, "cannot create " + path("file") + ": File exists");
}

TEST_F(PosixFileSystemTest, OpeningWhatIsNotThereIsAnErrorWithThePath) {
    const auto missing = fs->open(path("file"));
    ASSERT_TRUE(missing.has_error());
    EXPECT_EQ(missing.error().message,
              "cannot open " + path("file") + ": No such file or directory");
}

TEST_F(PosixFileSystemTest, ListsRenamesAndRemoves) {
    ASSERT_TRUE(fs->create(path("b")).has_value());
    ASSERT_TRUE(fs->create(path("a")).has_value());
    EXPECT_EQ(fs->list(root).value(), (std::vector<std::string>{"a", "b"}));
    ASSERT_TRUE(fs->rename(path("b"), path("c")).has_value());
    ASSERT_TRUE(fs->remove(path("a")).has_value());
    ASSERT_TRUE(fs->sync_directory(root).has_value());
    EXPECT_EQ(fs->list(root).value(), (std::vector<std::string>{"c"}));
    EXPECT_TRUE(fs->exists(path("c")).value());
    EXPECT_FALSE(fs->exists(path("b")).value());
    EXPECT_TRUE(fs->remove(path("a")).has_error());
    EXPECT_TRUE(fs->list(path("nowhere")).has_error());
    EXPECT_TRUE(fs->sync_directory(path("nowhere")).has_error());
}

TEST_F(PosixFileSystemTest, MakingADirectoryThatIsThereIsFine) {
    ASSERT_TRUE(fs->make_directory(path("d")).has_value());
    EXPECT_TRUE(fs->make_directory(path("d")).has_value());
    ASSERT_TRUE(fs->create(path("file")).has_value());
    const auto over_file = fs->make_directory(path("file"));
    ASSERT_TRUE(over_file.has_error());
    EXPECT_EQ(over_file.error().code, boost::system::errc::not_a_directory);
}

TEST_F(PosixFileSystemTest, DescriptorsAreNotInherited) {
    const auto file = fs->create(path("file"));
    const auto lock = fs->lock(path("lock"));
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        const auto target = std::filesystem::read_symlink(entry.path(), error).string();
        if (target != path("file") && target != path("lock")) continue;
        const int fd = std::stoi(entry.path().filename().string());
        EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << target;
    }
}

TEST_F(PosixFileSystemTest, ASecondLockNamesTheProcessThatHoldsIt) {
    auto lock = fs->lock(path("lock"));
    ASSERT_TRUE(lock.has_value());
    const auto second = fs->lock(path("lock"));
    ASSERT_TRUE(second.has_error());
    EXPECT_NE(second.error().message.find("is locked by process " + std::to_string(::getpid()) +
                                          ": another flowrelayd uses this spool"),
              std::string::npos)
        << second.error().message;
    lock = std::shared_ptr<void>();
    EXPECT_TRUE(fs->lock(path("lock")).has_value());
}

TEST_F(PosixFileSystemTest, ALockHoldsAlsoWhenItsFileWasTakenAway) {
    auto lock = fs->lock(path("lock"));
    ASSERT_TRUE(lock.has_value());
    ASSERT_TRUE(fs->remove(path("lock")).has_value());
    EXPECT_EQ(fs->lock_holder(path("lock")).value(), "another process");
    const auto second = fs->lock(path("lock"));
    ASSERT_TRUE(second.has_error());
    EXPECT_EQ(second.error().message, root +
                                          " is locked by another process: another flowrelayd "
                                          "uses this spool; stop it, or give this one its own "
                                          "spool.directory");
    lock = second.error();
    EXPECT_TRUE(fs->lock(path("lock")).has_value());
    EXPECT_FALSE(fs->lock_holder(path("lock")).value().has_value());
}

TEST_F(PosixFileSystemTest, ALockGoesWithItsProcess) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto lock = fs->lock(path("lock"));
        ::_exit(lock.has_value() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    EXPECT_TRUE(fs->lock(path("lock")).has_value());
}

TEST_F(PosixFileSystemTest, FreeSpaceIsToldForAPath) {
    EXPECT_GT(fs->free_space(root).value(), 0U);
    EXPECT_TRUE(fs->free_space(path("nowhere")).has_error());
}

TEST_F(PosixFileSystemTest, AFullDeviceIsNoSpace) {
    const auto full = fs->open("/dev/full");
    ASSERT_TRUE(full.has_value());
    const auto written = (*full)->write_at(0, as_bytes("x"));
    ASSERT_TRUE(written.has_error());
    EXPECT_EQ(written.error().code, boost::system::errc::no_space_on_device);
    EXPECT_EQ(written.error().message, "cannot write to /dev/full: No space left on device");
}

TEST_F(PosixFileSystemTest, TheLogWorksOnIt) {
    NullLog log;
    LogOptions options;
    options.segment_size = 64 * 1024;
    const std::string directory = path("spool");
    std::vector<EventRecord> events;
    for (std::uint64_t n = 1; n <= 500; ++n) events.push_back(test::make_event(n));
    for (std::uint64_t run = 0; run < 3; ++run) {
        auto queue = open_segmented_log(*fs, directory, options, log);
        ASSERT_TRUE(queue.has_value()) << queue.error().message;
        EXPECT_EQ((*queue)->usage().events, run * 400);
        const auto first = (*queue)->commit(events, {});
        ASSERT_TRUE(first.has_value());
        EXPECT_TRUE(test::same(*(*queue)->read(*first), events[0]));
        std::vector<Settlement> outcomes;
        for (std::uint64_t i = 0; i < 100; ++i) {
            outcomes.push_back({Seq{to_number(*first) + i}, core::Outcome::delivered});
        }
        ASSERT_TRUE((*queue)->commit({}, outcomes).has_value());
    }
    auto queue = open_segmented_log(*fs, directory, options, log);
    ASSERT_TRUE((*queue)->erase(TokenId{1}).has_value());
    EXPECT_EQ((*queue)->usage().events, 0U);
    EXPECT_EQ((*queue)->ledger(), (core::Ledger{1500, 300, 0, 0, 1200, 0}));
}

TEST_F(PosixFileSystemTest, ALogInUseIsRefusedWithItsHolder) {
    NullLog log;
    const auto first = open_segmented_log(*fs, path("spool"), {}, log);
    ASSERT_TRUE(first.has_value());
    const auto second = open_segmented_log(*fs, path("spool"), {}, log);
    ASSERT_TRUE(second.has_error());
    EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())),
              std::string::npos);
}

TEST_F(PosixFileSystemTest, ALogCannotBeWhereAFileIs) {
    NullLog log;
    ASSERT_TRUE(fs->create(path("file")).has_value());
    const auto opened = open_segmented_log(*fs, path("file"), {}, log);
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(path("file")), std::string::npos);
}

}  // namespace
}  // namespace flowrelay::storage
