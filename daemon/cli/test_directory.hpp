// What the tests of a disk share: a directory of their own, and the wish of the user to stop.
#pragma once

#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// A fresh directory in another one; goes away with everything in it.
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

/// Turns SIGINT, SIGTERM and SIGHUP into something to ask for, so that what was made is removed.
class Interruption {
public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    /// Whether one of them has come.
    bool pending();

    /// Sleeps, not longer than until one comes.
    void sleep(Milliseconds time);

private:
    int fd_;
    bool pending_ = false;
};

}  // namespace flowrelay::cli
