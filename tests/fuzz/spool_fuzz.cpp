// A whole spool after anything: segments (one of them compacted), indexes, spares, registry and
// dead letters are edited as the input says, then looked at, started on, used and started on again.
// Nothing may crash, loop or be left unsaid, and what was not touched must still be there.
//
// An edit is five bytes: what, which file, where (2), with what. Checksums keep a fuzzer out, so
// some edits make them right again.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "flowrelay/storage/spool_check.hpp"
#include "storage/dead_letters.hpp"
#include "storage/record.hpp"
#include "storage/registry.hpp"
#include "storage/segment_header.hpp"
#include "storage/segment_index.hpp"
#include "support/queue_contents.hpp"
#include "support/reseal.hpp"
#include "support/sim_file_system.hpp"

namespace {

using namespace flowrelay;
using namespace flowrelay::storage;

using Bytes = std::vector<std::uint8_t>;
using Files = std::map<std::string, Bytes>;

constexpr const char* state = "/state";
constexpr const char* directory = "/state/spool";
constexpr const char* tokens = "/state/tokens";
constexpr const char* letters = "/state/dead-letters";
constexpr std::size_t edit_size = 5;
constexpr std::size_t max_edits = 12;

void require(bool condition, std::source_location where = std::source_location::current()) {
    if (condition) return;
    std::fprintf(stderr, "line %u: broken promise\n", static_cast<unsigned>(where.line()));
    std::abort();
}

LogOptions options() {
    LogOptions small;
    small.segment_size = 16 * 1024;
    small.max_size = 1 << 20;
    small.salt_seed = 1;
    return small;
}

EventRecord make_event(std::uint64_t number) {
    EventRecord event;
    event.token = TokenId{1 + number % 2};
    event.thread_hash = number % 5;
    event.own_id = number % 2 == 0;
    event.id = "id-" + std::to_string(number);
    event.thread = "thread";
    event.body = std::string(40 + number * 13 % 200, 'x');
    return event;
}

/// A queued event and where its record lies.
struct Place {
    Seq seq = Seq::none;
    std::string path;
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// The files of a spool, and the events that are queued in it and were not in its last commit.
struct Spool {
    Files files;
    std::vector<std::string> paths;
    std::vector<Place> queued;
};

void make_small_files(test::SimFileSystem& fs) {
    NullLog log;
    const auto registry = Registry::open(fs, tokens, log);
    std::vector<core::TokenEntry> entries(2);
    entries[0].id = TokenId{1};
    entries[0].source = "ci";
    entries[1].id = TokenId{2};
    entries[1].secret = Secret("0123456789abcdef0123456789abcdef");
    require((*registry)->put(entries).has_value());
    const auto dead = DeadLetters::open(fs, letters, log);
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
        core::DeadLetter letter;
        letter.seq = Seq{seq};
        letter.event = make_event(seq);
        letter.reason = "rejected";
        require((*dead)->add({&letter, 1}).has_value());
    }
}

void make_log(test::SimFileSystem& fs) {
    NullLog log;
    auto queue = open_segmented_log(fs, directory, options(), log);
    std::uint64_t number = 0;
    while (number < 600) {
        std::vector<EventRecord> events;
        for (int i = 0; i < 4; ++i) events.push_back(make_event(++number));
        std::vector<Settlement> outcomes;
        for (std::uint64_t i = 0; i < 4 && number > 20; ++i) {
            const std::uint64_t seq = number - 20 + i;
            // A few old ones stay, so that their segments are compacted.
            if (seq % 16 != 0 && seq < 400) outcomes.push_back({Seq{seq}, core::Outcome::dead});
        }
        require((*queue)->commit(events, outcomes).has_value());
        while (*(*queue)->maintain()) {
        }
    }
}

void find_places(Spool& spool, const std::set<Seq>& queued) {
    for (const auto& [path, bytes] : spool.files) {
        if (!path.ends_with(".seg")) continue;
        const SegmentHeader header = parse_segment_header(bytes).header;
        for (std::size_t at = segment_header_size; at + record_header_size <= bytes.size();) {
            const auto record = parse_record_header(std::span(bytes).subspan(at), header.salt);
            if (!record) break;
            const std::size_t end = at + record_size(*record);
            if (record->type == RecordType::event && queued.contains(record->seq)) {
                spool.queued.push_back({record->seq, path, at, end});
            }
            at = end;
        }
    }
    std::ranges::sort(spool.queued, {}, &Place::seq);
    spool.queued.resize(spool.queued.size() - 4);  // the last commit: a torn tail, when touched
}

Spool make_spool() {
    test::SimFileSystem fs(1);
    make_small_files(fs);
    make_log(fs);
    Spool spool;
    for (const std::string& path : fs.paths()) {
        if (path.ends_with("/lock") || path == directory) continue;
        spool.files[path] = fs.contents(path);
        spool.paths.push_back(path);
    }
    NullLog log;
    const auto queue = open_segmented_log(fs, directory, options(), log);
    std::set<Seq> queued;
    for (const auto& event : test::queued_events(**queue)) queued.insert(event.seq);
    find_places(spool, queued);
    const bool compacted = std::ranges::any_of(spool.files, [](const auto& file) {
        return file.first.ends_with(".seg") &&
               parse_segment_header(file.second).header.replaces_from != 0;
    });
    require(compacted && spool.queued.size() > 100);
    return spool;
}

/// What was done, as far as it has to be known for the promise about what was not touched.
struct Touched {
    struct Range {
        std::string path;
        std::size_t begin;
        std::size_t end;
    };
    std::vector<Range> ranges;
    bool forged = false;  // something was made right that is not
};

void reseal_header(Bytes& segment) {
    constexpr std::size_t crc_at = 508;
    for (const std::size_t copy : {0U, 2048U}) {
        store_le(segment.data() + copy + crc_at, crc32c(std::span(segment).subspan(copy, crc_at)));
    }
}

void edit(const Spool& original, Files& files, std::span<const std::uint8_t> how,
          Touched& touched) {
    const std::string& path = original.paths[how[1] % original.paths.size()];
    const auto found = files.find(path);
    if (found == files.end() || found->second.empty()) return;
    Bytes& bytes = found->second;
    const std::size_t at = static_cast<std::size_t>(how[2] | how[3] << 8) % bytes.size();
    const std::size_t rest = bytes.size() - at;
    switch (how[0] % 9) {
        case 0: {  // other bytes
            bytes[at] ^= how[4];
            touched.ranges.push_back({path, at, at + 1});
            break;
        }
        case 1: {  // a hole
            const std::size_t hole = std::min<std::size_t>(rest, how[4] * 16U + 1);
            std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), hole, 0);
            touched.ranges.push_back({path, at, at + hole});
            break;
        }
        case 2:  // shorter
            bytes.resize(at);
            touched.forged = touched.forged || !path.ends_with(".idx");
            break;
        case 3:  // gone
            files.erase(found);
            touched.forged = touched.forged || path.ends_with(".seg");
            break;
        case 4: {  // another file in its place
            const auto other = files.find(original.paths[how[4] % original.paths.size()]);
            if (other != files.end()) bytes = Bytes(other->second);
            touched.forged = touched.forged || !path.ends_with(".idx");
            break;
        }
        case 5: {  // a record, its checksums right
            if (!path.ends_with(".seg") || original.queued.empty()) break;
            const Place& place = original.queued[how[3] % original.queued.size()];
            const auto other = files.find(place.path);
            if (other == files.end() || other->second.size() < place.end) break;
            Bytes& segment = other->second;
            segment[place.begin + how[2] % (place.end - place.begin)] = how[4];
            test::reseal_record(std::span(segment).subspan(place.begin),
                                parse_segment_header(segment).header.salt);
            touched.forged = true;
            break;
        }
        case 6:  // a field of the header, its checksums right
            if (!path.ends_with(".seg") || bytes.size() < segment_header_size) break;
            for (const std::size_t copy : {0U, 2048U}) bytes[copy + 8 + how[2] % 96U] = how[4];
            reseal_header(bytes);
            touched.forged = true;
            break;
        case 7: {  // a byte of an index, its checksum right
            if (!path.ends_with(".idx") || bytes.size() < index_block_size) break;
            const std::size_t block = at / index_block_size * index_block_size;
            if (block + index_block_size > bytes.size()) break;
            bytes[at] = how[4];
            const auto segment = files.find(path.substr(0, path.size() - 3) + "seg");
            if (segment == files.end()) break;
            store_le(bytes.data() + block,
                     crc32c(std::span(bytes).subspan(block + 4, index_block_size - 4),
                            parse_segment_header(segment->second).header.salt));
            touched.forged = true;
            break;
        }
        default: {  // under another number as well
            const std::string name = fmt::format("{}/{:012}.seg", directory, how[4] % 40U + 1);
            files[name] = Bytes(bytes);
            touched.forged = true;
        }
    }
}

/// Whether an event was in reach of an edit: in its record, or its segment can't be told any more.
bool is_untouched(const Place& place, const Touched& touched) {
    return std::ranges::none_of(touched.ranges, [&place](const Touched::Range& range) {
        if (range.begin < segment_header_size && range.path.ends_with(".seg")) return true;
        return range.path == place.path && range.begin < place.end && range.end > place.begin;
    });
}

/// Opens the log and reads through all of it. Where a segment and its index are damaged, that takes
/// a second start.
Result<std::unique_ptr<EventQueue>> open_log(test::SimFileSystem& fs, Log& log) {
    constexpr int segments = 64;  // more than there are
    for (int start = 0; start < segments; ++start) {
        auto queue = open_segmented_log(fs, directory, options(), log);
        if (queue.has_error() && queue.error().code == QueueErrc::damaged) continue;
        if (queue.has_error()) return queue;
        try {
            test::queued_events(**queue);
            return queue;
        } catch (const boost::system::system_error& error) {
            require(error.code() == QueueErrc::damaged);
        }
    }
    require(false);
    return Error{};
}

/// What was made right that is not (an index that contradicts its segment, say) may be believed.
/// Then everything still comes to an end, with an answer.
void use_forged_log(EventQueue& queue) {
    for (const auto& event : test::queued_events(queue)) {
        const auto record = queue.read(event.seq);
        require(record.has_value() || !record.error().message.empty());
    }
    const EventRecord event = make_event(1);
    const auto added = queue.commit({&event, 1}, {});
    require(added.has_value() || !added.error().message.empty());
    const auto erased = queue.erase(TokenId{1});
    require(erased.has_value() || !erased.error().message.empty());
}

void use_log(test::SimFileSystem& fs, const Spool& original, const Touched& touched,
             const std::optional<std::uint64_t>& expected) {
    NullLog log;
    auto queue = open_log(fs, log);
    if (queue.has_error()) return require(!queue.error().message.empty());
    if (touched.forged) return use_forged_log(**queue);
    if (expected) require((*queue)->usage().events == *expected);

    const auto found = test::queued_events(**queue);
    for (const auto& event : found) {
        const auto record = (*queue)->read(event.seq);
        require(record.has_value() || record.error().code == QueueErrc::damaged);
    }
    for (const Place& place : original.queued) {
        if (is_untouched(place, touched)) require((*queue)->read(place.seq).has_value());
    }
    // It goes on, and what goes on is kept.
    const EventRecord event = make_event(1);
    const auto added = (*queue)->commit({&event, 1}, {});
    require(added.has_value() || added.error().code == QueueErrc::full);
    if (added.has_value() && !found.empty()) require(found.back().seq < *added);
    queue->reset();
    queue = open_log(fs, log);
    require(queue.has_value());
    require((*queue)->usage().events == found.size() + (added.has_value() ? 1 : 0));
    require((*queue)->erase(TokenId{1}).has_value());
    queue->reset();
    queue = open_log(fs, log);
    require(queue.has_value());
    for (const auto& backlog : (*queue)->backlog().value()) require(backlog.token != TokenId{1});
}

void use_journals(test::SimFileSystem& fs) {
    NullLog log;
    const auto registry = Registry::open(fs, tokens, log);
    require(registry.has_value() || !registry.error().message.empty());
    if (registry.has_value()) {
        core::TokenEntry entry;
        entry.id = TokenId{1};
        require((*registry)->put({&entry, 1}).has_value());
    }
    const auto dead = DeadLetters::open(fs, letters, log);
    require(dead.has_value() || !dead.error().message.empty());
    if (dead.has_value()) {
        for (const auto& letter : (*dead)->list(100)) {
            require((*dead)->read(letter.seq).has_value());
        }
        require((*dead)->erase(TokenId{1}).has_value());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Spool original = make_spool();
    Files files = original.files;
    Touched touched;
    for (std::size_t i = 0; i < max_edits && size >= edit_size; ++i) {
        edit(original, files, {data, edit_size}, touched);
        data += edit_size;
        size -= edit_size;
    }
    test::SimFileSystem fs(1);
    require(fs.make_directory(directory).has_value());
    for (const auto& [path, bytes] : files) fs.overwrite(path, 0, bytes);

    const std::size_t operations = fs.operations().size();
    const auto report = check_spool(fs, state);
    require(fs.operations().size() == operations);
    std::optional<std::uint64_t> expected;
    if (report.has_error()) {
        require(!report.error().message.empty());
    } else if (report->damage.empty() && !touched.forged) {
        expected = report->queued;
    }
    use_log(fs, original, touched, expected);
    use_journals(fs);
    return 0;
}
