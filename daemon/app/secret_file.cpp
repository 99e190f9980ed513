#include "flowrelay/app/secret_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "config_file.hpp"

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::app {

namespace {

/// Overwrites its contents when it is destroyed.
struct WipedBuffer {
    explicit WipedBuffer(std::size_t size) : bytes(size, '\0') {}
    WipedBuffer(const WipedBuffer&) = delete;
    WipedBuffer& operator=(const WipedBuffer&) = delete;
    ~WipedBuffer() { ::explicit_bzero(bytes.data(), bytes.size()); }
    std::string bytes;
};

Error unusable(std::string message) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(message)};
}

}  // namespace

bool is_credential_name(std::string_view name) {
    return !name.empty() && name.front() != '.' && ascii::all_word(name, "._-");
}

Result<Secret> check_secret(std::string_view text, SecretRules rules) {
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) return unusable("is empty");
    if (text.size() > rules.longest) {
        return unusable(
            fmt::format("is longer than {} bytes; is this the right file?", rules.longest));
    }
    const auto is_foreign = [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F || (!rules.spaces && (byte == 0x20 || byte > 0x7F));
    };
    if (std::ranges::any_of(text, is_foreign)) {
        return unusable(
            fmt::format("has spaces, line breaks or other bytes that no {0} has; it must hold the "
                        "{0} and nothing else",
                        rules.name));
    }
    return Secret(std::string(text));
}

Result<Secret> read_secret_file(const std::string& path, FileMode mode, SecretRules rules) {
    // Without O_NONBLOCK, opening a named pipe would block until another process writes to it.
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) return system_error(errno, "read", "the file");
    struct stat status{};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return unusable("is not a regular file");
    }
    if (mode == FileMode::checked && (status.st_mode & 0777U & ~0640U) != 0) {
        return unusable(
            fmt::format("has mode {:04o}, so that others can read or change it; "
                        "set it with: chmod 0600 {}",
                        status.st_mode & 0777U, path));
    }
    // Room for a line break, and one byte to detect longer contents.
    WipedBuffer buffer(rules.longest + 3);
    const ssize_t size = read_all(file.get(), buffer.bytes);
    if (size < 0) return system_error(errno, "read", "the file");
    return check_secret({buffer.bytes.data(), static_cast<std::size_t>(size)}, rules);
}

Result<std::string> credential_path(const std::string& name) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr) {
        return unusable(
            "there are no credentials ($CREDENTIALS_DIRECTORY is not set); "
            "use LoadCredential= in the unit of the service");
    }
    return fmt::format("{}/{}", directory, name);
}

}  // namespace flowrelay::app
