// A log on a simulated file system, with short names for the operations of tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "flowrelay/storage/segmented_log.hpp"
#include "storage/record.hpp"
#include "storage/segment_header.hpp"
#include "support/queue_contents.hpp"
#include "support/recording_log.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::test {

using core::Outcome;
using core::Settlement;
using storage::EventQueue;
using storage::EventRecord;
using storage::QueueErrc;

/// Makes a unique event, with the mark of its token in id, thread and body.
inline EventRecord make_event(std::uint64_t number, TokenId token = TokenId{1},
                              std::size_t body_size = 100) {
    const std::string mark = "token-" + std::to_string(to_number(token)) + "-mark";
    EventRecord event;
    event.token = token;
    event.thread = mark + "-thread-" + std::to_string(number % 3);
    event.thread_hash = hash_thread(event.thread);
    event.accepted = WallTime(Milliseconds(1'000'000 + number));
    event.own_id = number % 2 == 0;
    event.id = mark + "-id-" + std::to_string(number);
    event.body = "{\"" + mark + "\":" + std::to_string(number) + "}";
    if (event.body.size() < body_size) event.body.append(body_size - event.body.size(), ' ');
    return event;
}

inline bool same(const EventRecord& a, const EventRecord& b) {
    return a.token == b.token && a.thread_hash == b.thread_hash && a.accepted == b.accepted &&
           a.expires == b.expires && a.own_id == b.own_id && a.id == b.id && a.thread == b.thread &&
           a.body == b.body && a.producer == b.producer;
}

class LogFixture : public ::testing::Test {
protected:
    LogFixture() {
        options.segment_size = 64 * 1024;
        options.max_size = 1 << 20;
        options.salt_seed = 1;
        options.high_water = "/state/high-water";
    }

    Result<void> try_open() {
        queue.reset();
        auto opened = open_segmented_log(fs, directory, options, log);
        if (opened.has_error()) return opened.error();
        queue = std::move(*opened);
        return {};
    }

    void open() {
        const auto opened = try_open();
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
    }

    void power_failure() {
        queue.reset();
        fs.power_failure();
    }

    /// Commits events at once. Their numbers continue over the whole test.
    Result<Seq> try_append(std::size_t count, TokenId token = TokenId{1},
                           std::size_t body_size = 100) {
        std::vector<EventRecord> events;
        for (std::size_t i = 0; i < count; ++i) {
            events.push_back(make_event(next_number + i, token, body_size));
        }
        auto first = queue->commit(events, {});
        if (first.has_value()) next_number += count;
        return first;
    }

    Seq append(std::size_t count, TokenId token = TokenId{1}, std::size_t body_size = 100) {
        const auto first = try_append(count, token, body_size);
        EXPECT_TRUE(first.has_value()) << first.error().message;
        return first.has_value() ? *first : Seq::none;
    }

    Result<Seq> try_settle(std::uint64_t first, std::uint64_t last,
                           Outcome outcome = Outcome::delivered) {
        std::vector<Settlement> outcomes;
        for (std::uint64_t seq = first; seq <= last; ++seq) outcomes.push_back({Seq{seq}, outcome});
        return queue->commit({}, outcomes);
    }

    void settle(std::uint64_t first, std::uint64_t last, Outcome outcome = Outcome::delivered) {
        const auto done = try_settle(first, last, outcome);
        EXPECT_TRUE(done.has_value()) << done.error().message;
    }

    std::vector<std::uint64_t> queued() const {
        std::vector<std::uint64_t> seqs;
        for (const auto& event : test::queued_events(*queue)) seqs.push_back(to_number(event.seq));
        return seqs;
    }

    static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
        std::vector<std::uint64_t> seqs;
        for (std::uint64_t seq = first; seq <= last; ++seq) seqs.push_back(seq);
        return seqs;
    }

    std::int64_t unaccounted() const { return queue->ledger().unaccounted(queue->usage().events); }

    static std::string segment(std::uint64_t number) {
        return fmt::format("{}/{:012}.seg", directory, number);
    }

    std::vector<std::string> segments() const {
        std::vector<std::string> found;
        for (const std::string& path : fs.paths()) {
            if (path.ends_with(".seg")) found.push_back(path);
        }
        return found;
    }

    /// Removes the indexes, so that the next start has to read all segments.
    void drop_indexes() {
        for (const std::string& path : fs.paths()) {
            if (path.ends_with(".idx")) fs.drop(path);
        }
    }

    /// Returns the size of a record of make_event().
    static std::size_t event_size(std::uint64_t number = 1, std::size_t body_size = 100) {
        return storage::event_record_size(make_event(number, TokenId{1}, body_size));
    }

    static constexpr std::uint64_t first_record = storage::segment_header_size;
    static constexpr const char* directory = "/state/spool";

    SimFileSystem fs{1};
    RecordingLog log;
    storage::LogOptions options;
    std::unique_ptr<EventQueue> queue;
    std::uint64_t next_number = 1;
};

}  // namespace flowrelay::test
