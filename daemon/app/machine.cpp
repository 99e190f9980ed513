#include "flowrelay/app/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <span>
#include <string_view>
#include <vector>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/replace_file.hpp"

namespace flowrelay::app {

namespace {

constexpr std::uint64_t longest = 256;

// Stands for the id of a machine that has none and has taken over a restored spool.
constexpr std::string_view nobody = "-";

Result<std::string> read_line(storage::FileSystem& file_system, const std::string& path) {
    auto file = file_system.open_read_only(path);
    if (file.has_error()) return file.error();
    const auto size = (*file)->size();
    if (size.has_error()) return size.error();
    std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(*size, longest));
    const auto read = (*file)->read_at(0, bytes);
    if (read.has_error()) return read.error();
    std::string text(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*read));
    return text.substr(0, text.find('\n'));
}

}  // namespace

std::string machine_file(const std::string& state_directory) {
    return state_directory + "/machine";
}

Result<Ownership> find_owner(storage::FileSystem& file_system, const std::string& state_directory,
                             const std::string& id) {
    const std::string path = machine_file(state_directory);
    const auto there = file_system.exists(path);
    if (there.has_error()) return there.error();
    if (!*there) return Ownership::ours;
    const auto owner = read_line(file_system, path);
    if (owner.has_error()) return owner.error();
    if (*owner == restored_mark) return Ownership::restored;
    const bool unknown = id.empty() || owner->empty() || *owner == nobody;
    return unknown || *owner == id ? Ownership::ours : Ownership::moved;
}

Result<void> claim(storage::FileSystem& file_system, const std::string& state_directory,
                   const std::string& id) {
    if (id.empty()) {
        const auto owner = find_owner(file_system, state_directory, id);
        if (owner.has_error()) return owner.error();
        if (*owner != Ownership::restored) return {};
    }
    const std::string path = machine_file(state_directory);
    const std::string text = (id.empty() ? std::string(nobody) : id) + '\n';
    const auto claimed = file_system.exists(path);
    if (claimed.has_error()) return claimed.error();
    if (*claimed) {
        const auto owner = read_line(file_system, path);
        if (owner.has_value() && *owner + '\n' == text) return {};
    }
    return storage::replace_file(file_system, path, as_bytes(text));
}

std::string machine_id(const Salt& salt, const std::string& path) {
    std::ifstream in(path);
    std::string id;
    if (!std::getline(in, id) || id.empty() || id == "uninitialized") return {};
    std::string text;
    for (const std::uint8_t byte : fingerprint("machine " + id, salt)) {
        text += fmt::format("{:02x}", byte);
    }
    return text;
}

}  // namespace flowrelay::app
