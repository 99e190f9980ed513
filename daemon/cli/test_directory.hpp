// Parts shared by the disk tests: a directory of their own, and interruption by the user.
#pragma once

#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// A new directory in another one. The destructor removes it with its contents.
class TestDirectory {
public:
    static Result<TestDirectory> make(const std::string& parent);
    TestDirectory(TestDirectory&& other) noexcept;
    TestDirectory& operator=(TestDirectory&&) = delete;
    ~TestDirectory();

    const std::string& path() const noexcept { return path_; }

private:
    explicit TestDirectory(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

/// Turns SIGINT, SIGTERM and SIGHUP into a condition to check, so that the test can clean up.
class Interruption {
public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    /// Returns whether one of the signals has arrived.
    bool pending();

    /// Sleeps for `time`, or until a signal arrives.
    void sleep(Milliseconds time);

private:
    int fd_;
    bool pending_ = false;
};

}  // namespace flowrelay::cli
