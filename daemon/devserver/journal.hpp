// A file to which lines are appended, each with one write().
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::devserver {

class Journal {
public:
    /// Opens the file, or creates it with mode 0600, since it contains tokens. Throws
    /// std::system_error.
    explicit Journal(const std::string& path);
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// `line` ends with its newline. Throws std::system_error.
    void append(std::string_view line);

private:
    std::string path_;
    int fd_;
};

}  // namespace flowrelay::devserver
