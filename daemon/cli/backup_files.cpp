#include "cli/backup_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/json/array.hpp>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "cli/complain.hpp"
#include "cli/json_members.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/spool_check.hpp"

namespace flowrelay::cli {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

/// Returns a string member unchanged, since paths are bytes; empty if it is not a string.
std::string raw_text_of(const json::object& object, std::string_view name) {
    const json::value* member = object.if_contains(name);
    return member != nullptr && member->is_string() ? std::string(member->get_string())
                                                    : std::string();
}

Result<BackupFile> file_of(const json::value& item) {
    if (!item.is_object()) return failure("the manifest has an entry that is not a file");
    const json::object& object = item.get_object();
    BackupFile file{raw_text_of(object, "path"), raw_text_of(object, "copy"), 0600,
                    raw_text_of(object, "owner"), raw_text_of(object, "group")};
    const fs::path path(file.path);
    if (!path.is_absolute() || path != path.lexically_normal() || !path.has_filename() ||
        file.copy != "files" + file.path) {
        return failure(fmt::format("the manifest names a file that can't be in a backup: {}",
                                   app::printable(file.path)));
    }
    const std::string mode = raw_text_of(object, "mode");
    if (mode.empty()) return file;
    const auto parsed = parse_mode(mode);
    if (!parsed) {
        return failure(fmt::format("the manifest gives {} the mode \"{}\", which is not valid",
                                   app::printable(file.path), app::printable(mode)));
    }
    file.mode = *parsed;
    return file;
}

}  // namespace

std::optional<mode_t> parse_mode(std::string_view text) noexcept {
    constexpr mode_t permissions = 0777;
    mode_t mode = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, mode, 8);
    if (read.ec != std::errc() || read.ptr != end || mode > permissions) return std::nullopt;
    return mode;
}

Result<json::object> read_manifest(const std::string& directory) {
    std::ifstream in(directory + "/manifest.json");
    if (!in)
        return failure(fmt::format("there is no manifest.json in {}: is it a backup?", directory));
    std::ostringstream text;
    text << in.rdbuf();
    auto manifest = parse_object(text.str());
    if (!manifest) return failure(fmt::format("{}/manifest.json is damaged", directory));
    const auto format = number_of(*manifest, "format");
    if (!format || *format > manifest_format) {
        return failure(fmt::format("{} was made by a newer flowrelay", directory));
    }
    return std::move(*manifest);
}

Result<std::vector<BackupFile>> files_of(const json::object& manifest) {
    std::vector<BackupFile> files;
    const json::array* items = array_of(manifest, "files");
    if (items == nullptr) return files;
    for (const json::value& item : *items) {
        auto file = file_of(item);
        if (!file) return file.error();
        files.push_back(std::move(*file));
    }
    return files;
}

Result<CopyContents> look_at_copy(const std::string& state) {
    const auto file_system = storage::make_posix_file_system();
    const auto report = storage::check_spool(*file_system, state);
    if (report.has_error()) return report.error();
    CopyContents found;
    found.text = fmt::format("{}, {}", app::counted(report->queued, "queued event"),
                             app::counted(report->letters, "dead letter"));
    if (!report->damage.empty()) {
        found.damage =
            fmt::format("{}: {}", report->damage.front().file, report->damage.front().reason);
    }
    return found;
}

Result<void> refuse_if_in_use(const std::string& state) {
    const auto file_system = storage::make_posix_file_system();
    const auto holder = file_system->lock_holder(state + "/spool/lock");
    if (holder.has_error()) return holder.error();
    if (!*holder) return {};
    return failure(fmt::format("{} is in use by {}", state, **holder));
}

Result<void> write_text(const std::string& path, const std::string& text) {
    const mode_t before = ::umask(0077);
    std::ofstream out(path);
    out << text << '\n';
    out.close();
    ::umask(before);
    if (!out) return system_error(EIO, "write", path);
    return {};
}

Error failure(std::string message) {
    return {make_error_code(boost::system::errc::io_error), std::move(message)};
}

ExitCode give_up(const Error& error) {
    complain(error.message);
    return static_cast<ExitCode>(1);
}

}  // namespace flowrelay::cli
