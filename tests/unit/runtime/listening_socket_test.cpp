#include "flowrelay/runtime/listening_socket.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "support/temporary_directory.hpp"

namespace flowrelay::runtime {
namespace {

std::string error_of(const std::string& path, const std::string& group = "") {
    try {
        ::close(listen_unix(path, 0660, group));
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

TEST(ListeningSocket, HasItsMode) {
    const test::TemporaryDirectory directory;
    const int fd = listen_unix(directory.file("s"), 0620, "");
    struct stat info{};
    ASSERT_EQ(::stat(directory.file("s").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0620U);
    EXPECT_EQ(describe_listener(fd), "unix:" + directory.file("s"));
    ::close(fd);
}

TEST(ListeningSocket, ReplacesWhatADeadProcessLeft) {
    const test::TemporaryDirectory directory;
    ::close(listen_unix(directory.file("s"), 0660, ""));
    EXPECT_EQ(error_of(directory.file("s")), "");
}

TEST(ListeningSocket, LeavesASocketThatAnswersAlone) {
    const test::TemporaryDirectory directory;
    const int fd = listen_unix(directory.file("s"), 0660, "");
    EXPECT_NE(error_of(directory.file("s")).find("another process listens there"),
              std::string::npos);
    ::close(fd);
}

TEST(ListeningSocket, LeavesAFileAlone) {
    const test::TemporaryDirectory directory;
    std::ofstream(directory.file("s")) << "precious";
    EXPECT_NE(error_of(directory.file("s")).find("something else than a socket"),
              std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(directory.file("s")));
}

TEST(ListeningSocket, NamesWhatIsWrong) {
    const test::TemporaryDirectory directory;
    EXPECT_NE(error_of(directory.file("missing/s")).find("missing/s"), std::string::npos);
    EXPECT_NE(error_of(directory.file(std::string(120, 'x'))).find("longer than"),
              std::string::npos);
    EXPECT_NE(error_of(directory.file("s"), "no-such-group-here").find("no-such-group-here"),
              std::string::npos);
}

TEST(ListeningSocket, TellsItsPort) {
    const int fd = listen_tcp("127.0.0.1", 0);
    EXPECT_TRUE(describe_listener(fd).starts_with("127.0.0.1:"));
    EXPECT_NE(describe_listener(fd), "127.0.0.1:0");
    ::close(fd);
}

}  // namespace
}  // namespace flowrelay::runtime
