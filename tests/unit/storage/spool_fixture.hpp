// A spool on a simulated file system, with short names for the operations of tests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/storage/spool.hpp"
#include "log_fixture.hpp"

namespace flowrelay::test {

inline constexpr TokenId first_token{1};
inline constexpr TokenId other_token{2};
inline constexpr WallTime died_at{Seconds(5'000'000)};

inline std::unique_ptr<storage::Spool> open_spool(SimFileSystem& fs, Log& log,
                                                  std::uint64_t max_events = 0) {
    storage::LogOptions options;
    options.segment_size = 64 * 1024;
    options.max_size = 1 << 20;
    options.max_events = max_events;
    options.salt_seed = 1;
    return storage::Spool::open(fs, "/state", options, log).value();
}

inline core::TokenEntry make_entry(TokenId id = first_token) {
    core::TokenEntry made;
    made.id = id;
    made.secret = Secret(fmt::format("t0ken-{}", to_number(id)));
    return made;
}

inline core::DeadLetter make_letter(Seq seq, Outcome outcome = Outcome::dead) {
    core::DeadLetter made;
    made.seq = seq;
    made.outcome = outcome;
    made.died = died_at;
    made.reason = "HTTP 422";
    return made;
}

class SpoolFixture : public ::testing::Test {
protected:
    void open(std::uint64_t max_events = 0) {
        spool_.reset();
        spool_ = open_spool(fs_, log_, max_events);
        ASSERT_TRUE(spool_->recover().has_value());
    }

    Result<Seq> append(std::uint64_t number, TokenId token = first_token) {
        const EventRecord event = make_event(number, token);
        return spool_->commit({&event, 1}, {});
    }

    /// Appends events 1 to `count`, which get these seqs in a new spool.
    void append_all(std::uint64_t count, TokenId token = first_token) {
        for (std::uint64_t number = 1; number <= count; ++number) {
            ASSERT_EQ(append(number, token).value(), Seq{number});
        }
    }

    Result<Seq> settle(Seq seq, Outcome outcome = Outcome::delivered) {
        const Settlement end{seq, outcome};
        return spool_->commit({}, {&end, 1});
    }

    void bury(Seq seq, Outcome outcome = Outcome::dead) {
        std::vector<core::DeadLetter> letters;
        letters.push_back(make_letter(seq, outcome));
        spool_->bury(std::move(letters));
    }

    void replay(Seq seq) {
        const auto events = spool_->replay({&seq, 1}, died_at);
        ASSERT_TRUE(events.has_value());
        ASSERT_EQ(events->size(), 1U);
    }

    Result<void> put(const core::TokenEntry& changed) { return spool_->put({&changed, 1}); }
    Result<void> put_new(const core::TokenEntry& added) { return spool_->put_new({&added, 1}); }

    Result<storage::Spool::Erased> erase(std::vector<TokenId> tokens) {
        spool_->begin_erasure(tokens);
        while (true) {
            auto done = spool_->erase_some();
            if (done.has_error()) return done.error();
            if (*done) return std::move(**done);
        }
    }

    std::vector<Seq> queued() { return seqs_of(test::queued_events(*spool_)); }

    static std::vector<Seq> seqs_of(const std::vector<core::QueuedEvent>& events) {
        std::vector<Seq> seqs;
        for (const auto& event : events) seqs.push_back(event.seq);
        return seqs;
    }

    std::vector<Seq> letters() const {
        std::vector<Seq> seqs;
        for (const auto& [seq, token] : spool_->letters()) seqs.push_back(seq);
        return seqs;
    }

    void expect_balanced() const {
        const auto status = spool_->status();
        EXPECT_EQ(status.ledger.unaccounted(status.usage.events), 0);
        EXPECT_EQ(status.missing_letters, 0U);
    }

    /// Returns the index in fs_.operations() of the last operation of this kind on a file whose
    /// path, when it was opened, starts with `beginning`.
    std::size_t last(SimOp op, std::string_view beginning) const {
        const auto& operations = fs_.operations();
        for (std::size_t i = operations.size(); i > 0; --i) {
            const auto& done = operations[i - 1];
            if (done.op == op && done.path.starts_with(beginning)) return i;
        }
        ADD_FAILURE() << "there is none on " << beginning;
        return 0;
    }

    using Seqs = std::vector<Seq>;
    SimFileSystem fs_{1};
    test::RecordingLog log_;
    std::unique_ptr<storage::Spool> spool_;
};

}  // namespace flowrelay::test
