#include "flowrelay/storage/spool_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <tuple>
#include <utility>

#include "dead_letters.hpp"
#include "high_water.hpp"
#include "known_ids.hpp"
#include "registry.hpp"
#include "spool_check_segments.hpp"
#include "spool_files.hpp"

namespace flowrelay::storage {

namespace {

using Kind = SpoolFile::Kind;

/// Returns the number in the name of a file of the log; 0 for other names.
std::uint64_t number_of(std::string_view name, std::string_view suffix) {
    constexpr std::size_t digits = 12;
    if (name.size() < digits + suffix.size() || !name.ends_with(suffix)) return 0;
    const std::string_view text = name.substr(0, name.size() - suffix.size());
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    // The log finds files by their exact names: a name with other leading zeros is not one of them.
    return is_number && fmt::format("{:0{}}", number, digits) == text ? number : 0;
}

// The daemon refuses to start with a damaged registry, and starts without a damaged letter.
constexpr std::string_view registry_meaning =
    "flowrelayd does not start with it: put the file back from a copy";
constexpr std::string_view letters_meaning = "these letters are lost";
constexpr std::string_view ids_meaning =
    "an event that was delivered and is handed in again may be delivered once more";

class SpoolCheck {
public:
    SpoolCheck(FileSystem& file_system, std::string directory)
        : file_system_(file_system),
          directory_(std::move(directory)),
          log_directory_(fmt::format("{}/{}", directory_, log_directory_name)) {}

    Result<SpoolReport> run() {
        if (auto there = check_directories(); there.has_error()) return there.error();
        if (auto unused = check_unused(); unused.has_error()) return unused.error();
        if (auto read = check_dead_letters(); read.has_error()) return read.error();
        if (auto read = check_log(); read.has_error()) return read.error();
        if (auto read = check_registry(); read.has_error()) return read.error();
        count_letters();
        if (auto read = check_known_ids(); read.has_error()) return read.error();
        check_books();
        // The daemon may have been started meanwhile.
        if (auto unused = check_unused(); unused.has_error()) return unused.error();
        std::ranges::sort(report_.files, {},
                          [](const SpoolFile& file) { return std::tie(file.kind, file.name); });
        std::ranges::stable_sort(report_.damage, {}, &SpoolDamage::file);
        for (const SpoolFile& file : report_.files) report_.bytes += file.bytes;
        return std::move(report_);
    }

private:
    Result<void> check_directories();
    Result<void> check_unused();
    Result<void> check_log();
    Result<void> find_mark(std::optional<HighWater>& mark);
    Result<std::vector<std::string>> list_quarantine(const std::vector<std::string>& names);
    Result<void> check_registry();
    Result<void> check_dead_letters();
    void count_letters();
    Result<void> check_known_ids();
    void check_books();
    Result<bool> find_journal(const std::string& name);
    Result<void> add_file(std::string name, Kind kind, std::string note = {});
    std::optional<Error> file_failed(const std::string& name, Kind kind, const Error& error,
                                     std::string_view meaning);
    void add_journal(SpoolFile file, const JournalScan& scan, std::string_view meaning);

    FileSystem& file_system_;
    std::string directory_;
    std::string log_directory_;
    bool has_log_ = true;
    bool used_before_ = false;
    DeadLetters::Contents letters_;
    std::uint64_t queued_letters_ = 0;  // letters whose events are still queued
    SpoolReport report_;
};

Result<void> SpoolCheck::check_directories() {
    const auto names = file_system_.list(directory_);
    if (names.has_error()) return names.error();
    const auto there = file_system_.exists(log_directory_);
    if (there.has_error()) return there.error();
    has_log_ = *there;
    used_before_ = std::ranges::any_of(*names, [](const std::string& name) {
        return name == high_water_name || name == registry_name || name == letters_name;
    });
    if (has_log_ || used_before_) return {};
    const bool is_log = std::ranges::any_of(
        *names, [](const std::string& name) { return number_of(name, ".seg") != 0; });
    return Error{
        boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory),
        is_log ? fmt::format("{} is the log of a spool: name the directory above it, the "
                             "spool.directory of the configuration",
                             directory_)
               : fmt::format("there is no spool in {}: name the spool.directory of the "
                             "configuration",
                             directory_)};
}

Result<void> SpoolCheck::check_unused() {
    if (!has_log_) return {};
    const std::string path = log_directory_ + "/lock";
    const auto holder = file_system_.lock_holder(path);
    if (holder.has_error()) return holder.error();
    if (!*holder) return {};
    return Error{error_code(EWOULDBLOCK, boost::system::system_category()),
                 fmt::format("{} is in use by {}: stop flowrelayd, or look at a copy of the "
                             "directory",
                             log_directory_, **holder)};
}

Result<void> SpoolCheck::add_file(std::string name, Kind kind, std::string note) {
    const auto file = file_system_.open_read_only(directory_ + "/" + name);
    if (file.has_error()) return file.error();
    const auto size = (*file)->size();
    if (size.has_error()) return size.error();
    report_.files.push_back(
        {.name = std::move(name), .kind = kind, .bytes = *size, .note = std::move(note)});
    return {};
}

// --- the log -------------------------------------------------------------------------------------

Result<void> SpoolCheck::check_log() {
    auto names = has_log_ ? file_system_.list(log_directory_)
                          : Result<std::vector<std::string>>(std::vector<std::string>());
    if (names.has_error()) return names.error();
    SegmentCheck::Found found;
    auto& [segments, indexes, kept, mark, used_before] = found;
    std::vector<std::string> spares;
    for (const std::string& name : *names) {
        if (name == "lock" || name == "quarantine" || name.starts_with(KnownIds::file_name)) {
            continue;
        }
        Result<void> added;
        if (const auto segment = number_of(name, ".seg"); segment != 0) {
            segments.push_back(segment);
        } else if (const auto index = number_of(name, ".idx"); index != 0) {
            indexes.push_back(index);
        } else if (number_of(name, ".spare") != 0) {
            spares.push_back(name);
        } else if (number_of(name, ".tmp") != 0 || name.ends_with(".seg.tmp")) {
            added = add_file(log_file_name(name), Kind::leftover,
                             "a segment that was not finished: the next start removes it");
        } else {
            report_.files.push_back({.name = log_file_name(name),
                                     .kind = Kind::foreign,
                                     .note = "not a file of flowrelayd"});
        }
        if (added.has_error()) return added;
    }
    std::ranges::sort(segments);
    std::ranges::sort(indexes);
    auto quarantined = list_quarantine(*names);
    if (quarantined.has_error()) return quarantined.error();
    kept = std::move(*quarantined);
    if (auto read = find_mark(mark); read.has_error()) return read;
    used_before = used_before_;
    SegmentCheck check(file_system_, log_directory_, letters_.seqs, report_);
    if (auto done = check.run(found); done.has_error()) return done;
    queued_letters_ = check.queued_letters();

    for (const std::uint64_t index : indexes) {
        if (std::ranges::binary_search(segments, index)) continue;
        auto added = add_file(log_file_name(fmt::format("{:012}.idx", index)), Kind::leftover,
                              "the index of a segment that is gone: the next start removes it");
        if (added.has_error()) return added;
    }
    for (const std::string& name : spares) {
        if (auto added = add_file(log_file_name(name), Kind::spare); added.has_error())
            return added;
        SpoolFile& spare = report_.files.back();
        if (check.segment_size() != 0 && spare.bytes != check.segment_size()) {
            spare.note = "of another size than the newest segment";
        }
    }
    return {};
}

/// Reads how far the log had come.
Result<void> SpoolCheck::find_mark(std::optional<HighWater>& mark) {
    const auto found = read_high_water(file_system_, directory_ + "/" + high_water_name);
    if (found.has_error()) return found.error();
    mark = found->mark;
    if (found->damaged) {
        report_.damage.push_back(
            {high_water_name, std::nullopt, 0, 0,
             "it does not say how far the log had come: a loss of its end would not be noticed"});
    }
    return {};
}

Result<std::vector<std::string>> SpoolCheck::list_quarantine(
    const std::vector<std::string>& names) {
    if (std::ranges::find(names, "quarantine") == names.end()) return std::vector<std::string>();
    auto kept = file_system_.list(log_directory_ + "/quarantine");
    if (kept.has_error()) return kept;
    for (const std::string& name : *kept) {
        auto added = add_file("spool/quarantine/" + name, Kind::quarantined,
                              "found damaged at an earlier start; may be removed");
        if (added.has_error()) return added.error();
    }
    return kept;
}

// --- journals ------------------------------------------------------------------------------------

/// Whether the journal exists. Notes the remains of an interrupted rewrite.
Result<bool> SpoolCheck::find_journal(const std::string& name) {
    const auto rest = file_system_.exists(directory_ + "/" + name + ".tmp");
    if (rest.has_error()) return rest;
    if (*rest) {
        auto added = add_file(name + ".tmp", Kind::leftover, "of a rewrite that was not finished");
        if (added.has_error()) return added.error();
    }
    return file_system_.exists(directory_ + "/" + name);
}

/// Handles a file that can't be read at all: damage if the disk reports it, otherwise an error.
std::optional<Error> SpoolCheck::file_failed(const std::string& name, Kind kind, const Error& error,
                                             std::string_view meaning) {
    if (error.code != boost::system::errc::io_error && error.code != QueueErrc::unreadable) {
        return error;
    }
    report_.files.push_back({.name = name, .kind = kind});
    report_.damage.push_back(
        {name, std::nullopt, 0, 0, fmt::format("{}; {}", error.message, meaning)});
    return std::nullopt;
}

void SpoolCheck::add_journal(SpoolFile file, const JournalScan& scan, std::string_view meaning) {
    for (const JournalScan::Damage& damage : scan.damage) {
        report_.damage.push_back({file.name, damage.offset, damage.bytes, 0, std::string(meaning)});
    }
    file.bytes = scan.bytes;
    if (scan.torn() > 0) {
        file.note = fmt::format(
            "{} bytes at offset {} are of a write that was not finished: the "
            "next start cuts them off",
            scan.torn(), scan.end);
    }
    report_.files.push_back(std::move(file));
}

Result<void> SpoolCheck::check_registry() {
    const std::string name(registry_name);
    const auto there = find_journal(name);
    if (there.has_error()) return there.error();
    if (!*there) {
        if (!report_.queues.empty()) {
            report_.damage.push_back({name, std::nullopt, 0, 0,
                                      "the file is missing, and what is queued belongs to nobody "
                                      "without it: put it back from a copy that was made together "
                                      "with this log"});
        }
        return {};
    }
    const auto contents = Registry::inspect(file_system_, directory_ + "/" + name);
    if (contents.has_error()) {
        const auto error = file_failed(name, Kind::registry, contents.error(), registry_meaning);
        return error ? Result<void>(*error) : Result<void>();
    }
    add_journal({.name = name, .kind = Kind::registry, .entries = contents->entries.size()},
                contents->file, registry_meaning);
    for (SpoolQueue& queue : report_.queues) {
        const auto entry = std::ranges::find(contents->entries, queue.token, &core::TokenEntry::id);
        if (entry != contents->entries.end()) {
            queue.state = entry->state;
            queue.source = entry->source;
        } else if (contents->file.damage.empty()) {
            report_.damage.push_back(
                {name, std::nullopt, 0, 0,
                 fmt::format(
                     "it does not know token {}, whose queued events ({}) would wait: it is "
                     "not the file that belongs to this log",
                     to_number(queue.token), queue.events)});
        }
    }
    return {};
}

Result<void> SpoolCheck::check_dead_letters() {
    const std::string name(letters_name);
    const auto there = find_journal(name);
    if (there.has_error()) return there.error();
    if (!*there) return {};
    auto contents = DeadLetters::inspect(file_system_, directory_ + "/" + name);
    if (contents.has_error()) {
        const auto error = file_failed(name, Kind::dead_letters, contents.error(),
                                       "flowrelayd does not start with it: put the file back from "
                                       "a copy, or move it away: its letters are lost then");
        return error ? Result<void>(*error) : Result<void>();
    }
    letters_ = std::move(*contents);
    add_journal({.name = name, .kind = Kind::dead_letters, .entries = letters_.letters},
                letters_.file, letters_meaning);
    return {};
}

/// Counts the letters. To be called once the queued events are known.
void SpoolCheck::count_letters() {
    report_.letters = letters_.letters - queued_letters_;
    report_.ledger = corrected(report_.ledger, letters_);
    report_.missing_letters = missing_letters(report_.ledger, report_.letters);
    const bool explained =
        std::ranges::find(report_.damage, letters_name, &SpoolDamage::file) != report_.damage.end();
    if (report_.missing_letters > 0 && !explained) {
        const bool there = std::ranges::find(report_.files, Kind::dead_letters, &SpoolFile::kind) !=
                           report_.files.end();
        report_.damage.push_back(
            {std::string(letters_name), std::nullopt, 0, report_.missing_letters,
             there ? "dead letters that the books have are not in it: it was cut short, or is of "
                     "another time. Put it back from a copy that was made together with this log"
                   : "the file is missing, with the dead letters that the books have: put it back "
                     "from a copy that was made together with this log"});
    }
    if (queued_letters_ == 0) return;
    const auto file = std::ranges::find(report_.files, Kind::dead_letters, &SpoolFile::kind);
    if (!file->note.empty()) file->note += "; ";
    file->note += fmt::format(
        "{} of them of events that are queued still: the next start removes "
        "these letters",
        queued_letters_);
}

Result<void> SpoolCheck::check_known_ids() {
    const std::string name = log_file_name(KnownIds::file_name);
    const auto there = find_journal(name);
    if (there.has_error()) return there.error();
    if (!*there) return {};
    const auto contents = KnownIds::inspect(file_system_, directory_ + "/" + name);
    if (contents.has_error()) {
        const auto error = file_failed(name, Kind::known_ids, contents.error(), ids_meaning);
        return error ? Result<void>(*error) : Result<void>();
    }
    add_journal({.name = name, .kind = Kind::known_ids, .entries = contents->ids}, contents->file,
                ids_meaning);
    return {};
}

// --- the books -----------------------------------------------------------------------------------

void SpoolCheck::check_books() {
    if (!report_.damage.empty()) return;  // damage explains it
    const auto unaccounted = static_cast<std::uint64_t>(report_.unaccounted());
    if (unaccounted > 0) {
        report_.damage.push_back(
            {"spool", std::nullopt, 0, unaccounted,
             "the books know of events that no file has: they were lost to damage that is not here "
             "any more, or their file was taken away. Put the file back, or book them as lost once "
             "flowrelayd runs: flowrelay spool book-lost --plan"});
    }
    if (report_.returned.settled > 0) {
        report_.damage.push_back(
            {"spool", std::nullopt, 0, 0,
             "the outcomes of events are not there any more, such as those in a segment that was "
             "taken away: the next start queues these events again"});
    }
}

}  // namespace

std::string_view to_string(SpoolFile::Kind kind) noexcept {
    switch (kind) {
        case Kind::segment:
            return "segment";
        case Kind::index:
            return "index";
        case Kind::spare:
            return "spare";
        case Kind::registry:
            return "registry";
        case Kind::dead_letters:
            return "dead-letters";
        case Kind::known_ids:
            return "known-ids";
        case Kind::quarantined:
            return "quarantined";
        case Kind::leftover:
            return "leftover";
        case Kind::foreign:
            break;
    }
    return "foreign";
}

Result<SpoolReport> check_spool(FileSystem& file_system, const std::string& state_directory) {
    std::string directory = state_directory;
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
    return SpoolCheck(file_system, std::move(directory)).run();
}

}  // namespace flowrelay::storage
