#include "cli/state_copy.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "flowrelay/base/random.hpp"
#include "support/temporary_directory.hpp"

namespace flowrelay::cli {
namespace {

namespace fs = std::filesystem;

class StateCopyTest : public testing::Test {
protected:
    StateCopyTest() { fs::create_directories(from_ + "/spool"); }

    void write(const std::string& name, const std::string& text) {
        std::ofstream(from_ + "/" + name, std::ios::binary) << text;
    }

    static std::string read(const std::string& path) {
        std::ifstream in(path, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }

    std::uint64_t pass() {
        const auto written = copy_.pass();
        EXPECT_TRUE(written.has_value()) << (written.has_error() ? written.error().message : "");
        return written.has_value() ? *written : 0;
    }

    /// Checks that the copy has exactly the files to be copied, with their contents.
    void expect_equal() {
        std::size_t files = 0;
        for (const auto& entry : fs::recursive_directory_iterator(from_)) {
            const std::string name = entry.path().lexically_relative(from_).string();
            if (!entry.is_regular_file() || name == "spool/lock" || name.ends_with(".spare")) {
                continue;
            }
            ++files;
            EXPECT_EQ(read(to_ + "/" + name), read(entry.path().string())) << name;
        }
        std::size_t copied = 0;
        for (const auto& entry : fs::recursive_directory_iterator(to_)) {
            struct stat facts{};
            ASSERT_EQ(::stat(entry.path().c_str(), &facts), 0);
            EXPECT_EQ(facts.st_mode & 077U, 0U) << entry.path();
            if (entry.is_regular_file()) ++copied;
        }
        EXPECT_EQ(copied, files);
    }

    test::TemporaryDirectory directory_;
    std::string from_ = directory_.file("from");
    std::string to_ = directory_.file("to");
    StateCopy copy_{from_, to_};
};

TEST_F(StateCopyTest, FollowsADirectoryThatChangesAtRandom) {
    Random random(7);
    for (int round = 0; round < 60; ++round) {
        for (int change = 0; change < 4; ++change) {
            const std::string name = "spool/" + std::to_string(random.next() % 5) + ".seg";
            switch (random.next() % 4) {
                case 0:
                    fs::remove(from_ + "/" + name);
                    break;
                case 1:  // recycled: the same bytes under another name
                    if (fs::exists(from_ + "/" + name)) {
                        fs::rename(from_ + "/" + name, from_ + "/spool/9.seg");
                    }
                    break;
                default:
                    write(name, std::string(random.next() % 3'000'000,
                                            static_cast<char>('a' + random.next() % 3)));
            }
        }
        pass();
        expect_equal();
    }
}

TEST_F(StateCopyTest, WritesOnlyTheBlocksThatChanged) {
    std::string text(5U << 20, 'x');
    write("spool/1.seg", text);
    EXPECT_EQ(pass(), text.size());
    text[3U << 20] = 'y';
    write("spool/1.seg", text);
    EXPECT_EQ(pass(), 1U << 20);
    expect_equal();
}

TEST_F(StateCopyTest, LeavesOutTheLockAndWhatIsReserved) {
    write("spool/lock", "4711");
    write("spool/000000000002.spare", "zeros");
    write("tokens", "t");
    pass();
    expect_equal();
    EXPECT_FALSE(fs::exists(to_ + "/spool/lock"));
}

}  // namespace
}  // namespace flowrelay::cli
