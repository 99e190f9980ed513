// The decoders of the spool, and recovery from files that hold anything. Checksums keep a fuzzer
// out, so they are made right where that lets it further in. The first byte chooses the target.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "storage/record.hpp"
#include "storage/registry.hpp"
#include "storage/segment_header.hpp"
#include "support/queue_contents.hpp"
#include "support/reseal.hpp"
#include "support/sim_file_system.hpp"

namespace {

using namespace flowrelay;
using namespace flowrelay::storage;

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t salt = 1;

void require(bool condition, std::source_location where = std::source_location::current()) {
    if (condition) return;
    std::fprintf(stderr, "line %u: broken promise\n", static_cast<unsigned>(where.line()));
    std::abort();
}

void decode_record(Bytes bytes) {
    if (bytes.size() < record_header_size) return;
    const auto length = static_cast<std::uint32_t>(bytes.size() - record_header_size);
    store_le(bytes.data() + 8, length);
    test::reseal_record(bytes, salt);
    const auto header = parse_record_header(bytes, salt);
    if (!header) return;
    const auto payload = std::span<const std::uint8_t>(bytes).subspan(record_header_size);
    require(payload_intact(*header, payload, salt));
    if (const auto event = read_event(*header, payload)) {
        // What is read is written as it was.
        Bytes again(event_record_size(*event));
        write_event(again.data(), *event, header->seq, header->commit, salt);
        require(std::memcmp(again.data() + record_header_size, payload.data(), length) == 0);
    }
    if (const auto settlements = read_settlements(payload)) {
        Bytes again(settlements_record_size(settlements->size()));
        write_settlements(again.data(), *settlements, header->commit, salt);
        require(std::memcmp(again.data() + record_header_size, payload.data(), length) == 0);
    }
}

void decode_segment_header(Bytes bytes) {
    if (bytes.size() >= 512) store_le(bytes.data() + 508, crc32c(std::span(bytes).first(508)));
    const auto parsed = parse_segment_header(bytes);
    if (parsed.status != ParsedSegmentHeader::Status::valid) return;
    Bytes block(segment_header_size);
    write_segment_header(block.data(), parsed.header);
    require(parse_segment_header(block).header == parsed.header);
}

EventRecord make_event(std::uint64_t number) {
    EventRecord event;
    event.token = TokenId{1 + number % 2};
    event.thread_hash = number;
    event.own_id = true;
    event.id = "id-" + std::to_string(number);
    event.thread = "thread";
    event.body = std::string(40 + number * 13 % 200, 'x');
    return event;
}

/// The files of a small log: two segments, outcomes, a part of the events of a token wiped.
struct Spool {
    Bytes first;
    Bytes second;
    std::vector<std::size_t> records;  ///< where those of the second begin
};

constexpr const char* directory = "/state/spool";
constexpr const char* first_path = "/state/spool/000000000001.seg";
constexpr const char* second_path = "/state/spool/000000000002.seg";

LogOptions options() {
    LogOptions small;
    small.segment_size = 16 * 1024;
    small.max_size = 1 << 20;
    small.salt_seed = 1;
    return small;
}

Spool make_spool() {
    test::SimFileSystem fs(1);
    NullLog log;
    auto queue = open_segmented_log(fs, directory, options(), log);
    std::uint64_t number = 0;
    while (fs.exists(second_path).value() == false || number % 40 != 0) {
        std::vector<EventRecord> events;
        for (int i = 0; i < 4; ++i) events.push_back(make_event(++number));
        const Settlement outcome{Seq{number / 2}, core::Outcome::delivered};
        require((*queue)->commit(events, {&outcome, 1}).has_value());
    }
    queue->reset();
    Spool spool{fs.contents(first_path), fs.contents(second_path), {}};
    const auto header = parse_segment_header(spool.second).header;
    for (std::size_t at = segment_header_size; at + record_header_size <= spool.second.size();) {
        const auto record = parse_record_header(std::span(spool.second).subspan(at), header.salt);
        if (!record) break;
        spool.records.push_back(at);
        at += record_size(*record);
    }
    return spool;
}

/// Edits the last segment as the input says, four bytes an edit: what, where, with what. Gives
/// whether the header of the segment was forged: what it says of others can't be checked.
bool edit(Spool& spool, std::span<const std::uint8_t> input) {
    bool forged = false;
    const std::uint32_t file_salt = parse_segment_header(spool.second).header.salt;
    for (; input.size() >= 4; input = input.subspan(4)) {
        const std::size_t record = spool.records[input[1] % spool.records.size()];
        const std::size_t at = record + input[2];
        const auto rest = std::span(spool.second).subspan(record);
        const int what = input[0] % 6;
        forged = forged || what == 4;
        switch (what) {
            case 0:  // in a record, as it is
                spool.second[at] = input[3];
                break;
            case 1:  // in a record, its checksums right
                spool.second[at] = input[3];
                test::reseal_record(rest, file_salt);
                break;
            case 2:  // a hole
                std::fill_n(rest.begin(), std::min<std::size_t>(rest.size(), input[3] * 8U), 0);
                break;
            case 3:  // one record in another's place
                std::memmove(rest.data(),
                             &spool.second[spool.records[input[3] % spool.records.size()]],
                             std::min<std::size_t>(rest.size(), 256));
                break;
            case 4:  // the header of the segment, its checksum right
                spool.second[input[2]] = input[3];
                store_le(spool.second.data() + 508, crc32c(std::span(spool.second).first(508)));
                break;
            default:  // shorter
                spool.second.resize(std::max<std::size_t>(spool.records.back() + 512, at));
        }
    }
    return forged;
}

void recover(std::span<const std::uint8_t> input) {
    static const Spool original = make_spool();
    Spool spool = original;
    const bool forged = edit(spool, input);

    test::SimFileSystem fs(1);
    NullLog log;
    require(fs.make_directory(directory).has_value());
    fs.overwrite(first_path, 0, spool.first);
    fs.overwrite(second_path, 0, spool.second);
    auto queue = open_segmented_log(fs, directory, options(), log);
    if (queue.has_error()) return require(!queue.error().message.empty());

    const auto found = test::queued_events(**queue);
    for (const auto& event : found) {
        const auto record = (*queue)->read(event.seq);
        require(record.has_value() || record.error().code == QueueErrc::damaged || forged);
    }
    // It goes on, and what goes on is kept.
    const EventRecord event = make_event(1);
    const auto added = (*queue)->commit({&event, 1}, {});
    require(added.has_value() || added.error().code == QueueErrc::full);
    if (forged) return;
    if (added.has_value() && !found.empty()) require(found.back().seq < *added);
    queue->reset();
    queue = open_segmented_log(fs, directory, options(), log);
    require(queue.has_value());
    require((*queue)->usage().events == found.size() + (added.has_value() ? 1 : 0));
    const auto erased = (*queue)->erase(TokenId{1});
    require(erased.has_value());
    queue->reset();
    queue = open_segmented_log(fs, directory, options(), log);
    require(queue.has_value());
    for (const auto& backlog : (*queue)->backlog().value()) require(backlog.token != TokenId{1});
}

/// The registry: a file of one commit whose records are the input's.
void recover_registry(std::span<const std::uint8_t> input) {
    test::SimFileSystem fs(1);
    NullLog log;
    constexpr const char* path = "/state/tokens";
    require(Registry::open(fs, path, log).has_value());
    Bytes file = fs.contents(path);
    const auto file_salt = load_le<std::uint32_t>(file.data() + 12);
    const std::size_t at = file.size();
    file.insert(file.end(), input.begin(), input.end());
    file.resize((file.size() + 7) / 8 * 8 + record_header_size);
    store_le(file.data() + at + 16, std::uint32_t{2});
    store_le(file.data() + at + 20, static_cast<std::uint32_t>(at));
    test::reseal_record(std::span(file).subspan(at), file_salt);
    fs.overwrite(path, 0, file);
    const auto registry = Registry::open(fs, path, log);
    if (registry.has_error()) return;
    core::TokenEntry entry;
    entry.id = TokenId{1};
    require((*registry)->put({&entry, 1}).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::span<const std::uint8_t> input(data + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            decode_record({input.begin(), input.end()});
            break;
        case 1:
            decode_segment_header({input.begin(), input.end()});
            break;
        case 2:
            recover(input.first(std::min<std::size_t>(input.size(), 64)));
            break;
        default:
            recover_registry(input);
    }
    return 0;
}
