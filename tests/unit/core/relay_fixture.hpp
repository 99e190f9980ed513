// A relay under virtual time, and what its tests say to it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/core/relay.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::core {

inline constexpr std::string_view token = "5ecret-t0ken";

/// A relay under virtual time; what it wants done is done at once.
class RelayTest : public testing::Test {
protected:
    RelayTest() { restart({}); }

    void restart(std::vector<TokenEntry> entries) {
        relay_.reset();
        relay_.emplace(options_, Salt{}, std::move(entries), Random(1), log_);
    }

    static Submission event(std::string_view thread = "t1", std::string_view more = "") {
        const std::string json = R"({"flow_token":")" + std::string(token) +
                                 R"(","event":"activity","title":"x","author":{"name":"a"},)" +
                                 R"("external_thread_id":")" + std::string(thread) + "\"" +
                                 std::string(more) + "}";
        auto parsed = Submission::parse(json);
        EXPECT_TRUE(parsed.has_value());
        return std::move(*parsed);
    }

    /// Hands an event in and makes it durable.
    Seq accept(std::string_view thread = "t1", std::string_view more = "") {
        auto decision = relay_->admission().submit(event(thread, more), now_);
        auto& append = std::get<Admission::Append>(decision);
        if (append.new_token) registry_ = *append.new_token;
        const Seq seq{++last_seq_};
        relay_->admission().committed(append.record, seq);
        records_[seq] = std::move(append.record);
        return seq;
    }

    Effects answer(int status, std::optional<Milliseconds> retry_after = {}) {
        const auto assignment = relay_->delivery().next(now_);
        if (!assignment) throw std::logic_error("nothing to post");
        return end(*assignment, status, retry_after);
    }

    Effects end(const Assignment& assignment, int status,
                std::optional<Milliseconds> retry_after = {}) {
        AttemptResult result;
        result.status = status;
        result.retry_after = retry_after;
        result.detail = status >= 400 ? "says the server" : "";
        auto effects =
            relay_->delivery().attempted(assignment, records_.at(assignment.seq), result, now_);
        if (disk_takes_letters_) bury(effects);
        return effects;
    }

    /// The dead letters are on the disk.
    void bury(const Effects& effects) {
        std::vector<Seq> buried;
        for (const auto& letter : effects.bury) buried.push_back(letter.seq);
        relay_->letters().buried(buried);
    }

    void pass(Milliseconds time) {
        now_.mono += time;
        now_.wall += time;
    }

    bool logged_the_token() const {
        for (const auto& line : log_.lines) {
            for (const auto& [key, value] : line.fields) {
                if (value.find(token) != std::string::npos) return true;
            }
        }
        return false;
    }

    RelayOptions options_;
    test::RecordingLog log_;
    std::optional<Relay> relay_;
    bool disk_takes_letters_ = true;
    Now now_{MonoTime(Seconds(1000)), WallTime(Seconds(1'000'000))};
    std::uint64_t last_seq_ = 0;
    std::map<Seq, EventRecord> records_;
    TokenEntry registry_;
};

}  // namespace flowrelay::core
