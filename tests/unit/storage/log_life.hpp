// Randomized operations of a log on a simulated disk, compared with a model of what was answered.
#pragma once

#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "flowrelay/storage/spool_check.hpp"
#include "log_fixture.hpp"

namespace flowrelay::test {

inline constexpr const char* log_directory = "/state/spool";

/// Runs the operations. What was answered must hold; what was in progress at a crash may or may not
/// be there.
class Life {
public:
    /// `hard`: the disk fails in every way that SimFileSystem knows.
    explicit Life(std::uint64_t seed, bool hard = false) : random_(seed), fs_(seed), hard_(hard) {
        if (hard) fs_.be_harsh();
        options_.segment_size = 16 * 1024;
        options_.max_size = 1 << 20;
        options_.salt_seed = seed + 1;
        options_.high_water = "/state/high-water";
        if (random_.chance(0.5)) options_.max_open_files = 1 + random_.below(6);
        if (random_.chance(0.5)) options_.dedup_window = Milliseconds(1ULL << 40);
        // In half of the runs some events stay for long, so that compaction has something to copy.
        if (random_.chance(0.5)) stuck_every_ = 5 + random_.below(20);
    }

    /// Runs `steps` steps with occasional power failures. Returns the number of compactions.
    std::size_t live(int steps, double crash_chance) {
        reopen();
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            if (random_.chance(crash_chance)) fs_.crash_at(1 + random_.below(12));
            step();
        }
        fs_.crash_at(0);
        reopen();
        return log_.named("spool.compacted").size();
    }

    /// Runs `steps` steps, perhaps a clean shutdown, then damages files. The start, and the check
    /// before it, must report what is lost; all else must be there.
    void live_and_rot(int steps) {
        reopen();
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
        fs_.heal();
        reopen();
        if (testing::Test::HasFailure()) return;
        queue_.reset();
        rot();
        log_.lines.clear();
        const auto report = storage::check_spool(fs_, "/state");
        ASSERT_TRUE(report.has_value()) << report.error().message;
        hard_ = false;
        open();
        std::size_t lost = 0;
        for (const auto& [seq, event] : queued_) {
            const auto record = queue_->read(seq);
            if (record.has_error()) {
                ++lost;
                continue;
            }
            EXPECT_TRUE(same(*record, make_event(event.number, event.token, record->body.size())));
        }
        if (lost > 0) {
            EXPECT_FALSE(log_.named("spool.damaged").empty()) << lost << " events are lost";
            EXPECT_TRUE(std::ranges::any_of(report->damage,
                                            [](const auto& damage) {
                                                return damage.file != "tokens" &&
                                                       damage.file != "dead-letters";
                                            }))
                << lost << " events are lost";
        }
        EXPECT_GE(queue_->ledger().unaccounted(queue_->usage().events), 0);
        EXPECT_LE(queue_->usage().disk_bytes, options_.max_size);
        const EventRecord event = make_event(++last_number_);
        const auto next = queue_->commit({&event, 1}, {});
        ASSERT_TRUE(next.has_value()) << next.error().message;
        EXPECT_GT(*next, highest_) << "a seq was used again";
    }

    /// Runs the same steps with a crash at the given operation. Returns false when they ended
    /// before it.
    bool live_until(int steps, std::uint64_t operation) {
        reopen();
        fs_.crash_at(operation);
        for (int i = 0; i < steps && crashes_ == 0; ++i) step();
        const bool crashed = crashes_ > 0;
        fs_.crash_at(0);
        if (!crashed) reopen();
        return crashed;
    }

    /// Compacts a log with old events while some of them are settled, with a crash at the given
    /// operation. Returns false when all was done before it.
    bool live_compacting(std::uint64_t operation) {
        stuck_every_ = 10;
        stuck_chance_ = 0;
        reopen();
        for (int i = 0; i < 60; ++i) commit();
        stuck_chance_ = 0.1;
        fs_.crash_at(operation);
        try {
            bool more = true;
            while (more && !testing::Test::HasFailure()) {
                const auto done = queue_->maintain();
                EXPECT_TRUE(done.has_value());
                more = done.has_value() && *done;
                if (more) commit(0);
            }
            check();
        } catch (const SimCrash&) {
            ++crashes_;
            queue_.reset();
            fs_.power_failure();
        }
        const bool crashed = crashes_ > 0;
        fs_.crash_at(0);
        reopen();
        EXPECT_TRUE(crashed || !log_.named("spool.compacted").empty());
        return crashed;
    }

private:
    struct Event {
        std::uint64_t number = 0;
        TokenId token = TokenId::none;
    };

    void step() {
        try {
            act();
        } catch (const SimCrash&) {
            ++crashes_;
            queue_.reset();
            if (random_.chance(0.8)) {
                fs_.power_failure();
            } else {
                fs_.kill_process();
            }
            reopen();
        }
    }

    void act() {
        if (hard_ && random_.chance(0.3)) add_fault();
        if (hard_ && random_.chance(0.3)) fs_.heal();
        switch (random_.below(10)) {
            case 0:
                queue_.reset();
                open();
                check();
                break;
            case 1:
                erase(TokenId{1 + random_.below(3) + 3 * generation_});
                break;
            case 2:
                fs_.fail_next(SimOp::write, ENOSPC);
                commit();
                break;
            case 3:
                if (random_.chance(0.3)) fs_.fail_next(SimOp::sync, EIO);
                commit();
                break;
            case 4:
                spoil_index();
                commit();
                break;
            default:
                commit();
        }
        const std::uint64_t pieces = random_.below(6);
        for (std::uint64_t i = 0; i < pieces; ++i) {
            if (queue_->maintain().has_error()) return fail();
        }
    }

    /// Damages a segment, or removes the end of the log.
    void rot() {
        if (random_.chance(0.3)) return lose_end();
        std::vector<std::string> segments;
        for (const std::string& path : fs_.paths()) {
            if (path.ends_with(".seg")) segments.push_back(path);
        }
        const std::string& path =
            random_.chance(0.5) ? segments.back() : segments[random_.below(segments.size())];
        const std::uint64_t size = fs_.contents(path).size();
        const std::uint64_t at = random_.below(size);
        switch (random_.below(3)) {
            case 0:
                fs_.flip_bit(path, at, static_cast<unsigned>(random_.below(8)));
                break;
            case 1:
                fs_.overwrite(
                    path, at,
                    std::vector<std::uint8_t>(std::min(size - at, 1 + random_.below(2048))));
                break;
            default:
                fs_.cut(path, at);
        }
    }

    /// Removes the newest segments, all of them, or the header of the newest.
    void lose_end() {
        std::vector<std::string> segments;
        for (const std::string& path : fs_.paths()) {
            if (path.ends_with(".seg")) segments.push_back(path);
        }
        const std::uint64_t kind = random_.below(4);
        if (kind == 0) {
            fs_.overwrite(segments.back(), 0,
                          std::vector<std::uint8_t>(storage::segment_header_size));
            return;
        }
        std::size_t count = kind == 1 ? segments.size() : 1 + random_.below(segments.size());
        while (count-- > 0) {
            fs_.drop(segments.back());
            segments.pop_back();
        }
        if (kind != 1 || random_.chance(0.5)) return;
        for (const std::string& path : fs_.paths()) {
            if (path.starts_with(std::string(log_directory) + "/")) fs_.drop(path);
        }
    }

    /// Makes an operation fail, once or until the disk is healed.
    void add_fault() {
        static constexpr std::array ops = {
            SimOp::write,  SimOp::sync,   SimOp::allocate,       SimOp::truncate, SimOp::create,
            SimOp::rename, SimOp::remove, SimOp::sync_directory, SimOp::mkdir,    SimOp::read,
            SimOp::read,   SimOp::read,   SimOp::open,           SimOp::size,
        };
        static constexpr std::array endings = {
            ".seg",   ".seg", ".spare",     ".idx",        ".tmp",           "/known-ids",
            "/spool", "",     "quarantine", "/high-water", "/high-water.tmp"};
        static constexpr std::array errors = {EIO, ENOSPC, EDQUOT, EMFILE};
        SimFault fault;
        fault.op = ops[random_.below(ops.size())];
        fault.ending = endings[random_.below(endings.size())];
        fault.errno_value = errors[random_.below(errors.size())];
        fault.pass = random_.below(4);
        fault.times = random_.chance(0.7) ? 1 : 0;
        if (fault.op == SimOp::read) {
            fault.errno_value = random_.chance(0.7) ? EIO : 0;
            if (random_.chance(0.5)) {
                fault.offset = 512 * random_.below(options_.segment_size / 512);
                fault.bytes = 4096;
            }
        }
        if (fault.op == SimOp::write && fault.times == 0) undo_may_fail_ = true;
        fs_.fail(fault);
    }

    /// Damages an index: it must be rebuilt in any case.
    void spoil_index() {
        std::vector<std::string> indexes;
        for (const std::string& path : fs_.paths()) {
            if (path.ends_with(".idx") && !fs_.contents(path).empty()) indexes.push_back(path);
        }
        if (indexes.empty()) return;
        const std::string& path = indexes[random_.below(indexes.size())];
        if (random_.chance(0.3)) {
            fs_.cut(path, random_.below(fs_.contents(path).size()));
        } else {
            fs_.flip_bit(path, random_.below(fs_.contents(path).size()));
        }
    }

    void commit() { commit(random_.below(6)); }

    void commit(std::size_t count) {
        std::vector<EventRecord> events;
        for (std::size_t i = 0; i < count; ++i) {
            const TokenId token{1 + random_.below(3) + 3 * generation_};
            if (erased_.contains(token)) continue;
            const std::uint64_t number = ++last_number_;
            events.push_back(make_event(number, token, 20 + random_.below(2500)));
            in_doubt_.insert(number);
        }
        std::vector<Settlement> outcomes;
        for (const auto& [seq, event] : queued_) {
            const bool stuck = stuck_every_ != 0 && event.number % stuck_every_ == 0;
            if (!random_.chance(stuck ? stuck_chance_ : 0.3)) continue;
            outcomes.push_back({seq, random_.chance(0.8) ? Outcome::delivered : Outcome::dead});
            settled_in_doubt_.insert(seq);
        }
        const auto first = queue_->commit(events, outcomes);
        if (first.has_error()) {
            // Full: the outcomes are written with a later commit. Failed: the state of both is
            // unknown.
            if (first.error().code == QueueErrc::failed) fail();
            // What was refused does not come back, unless undoing it failed.
            if (first.error().code == QueueErrc::full && !undo_may_fail_) in_doubt_.clear();
            return;
        }
        for (std::size_t i = 0; i < events.size(); ++i) {
            const Seq seq{to_number(*first) + i};
            EXPECT_GT(seq, highest_) << "a seq was used again";
            highest_ = seq;
            queued_[seq] = {number_of(events[i]), events[i].token};
            if (events[i].own_id) own_ids_[events[i].id] = events[i].token;
        }
        in_doubt_.clear();
        for (const Seq seq : settled_in_doubt_) queued_.erase(seq);
        settled_in_doubt_.clear();
    }

    void erase(TokenId token) {
        erasing_.insert(token);
        // Whether or not the erasure completes.
        std::erase_if(own_ids_, [token](const auto& item) { return item.second == token; });
        const auto erased = queue_->erase(token);
        if (erased.has_error()) {
            if (erased.error().code == QueueErrc::failed) fail();
            return;
        }
        erased_.insert(token);
        erasing_.erase(token);
        std::erase_if(queued_, [&](const auto& item) { return item.second.token == token; });
        // Pending outcomes were written too.
        for (const Seq seq : settled_in_doubt_) queued_.erase(seq);
        settled_in_doubt_.clear();
        check_erased();
        if (erased_.size() % 3 == 0) ++generation_;
    }

    /// The disk failed: the process ends and starts again.
    void fail() {
        queue_.reset();
        if (random_.chance(0.5)) {
            fs_.power_failure();
        } else {
            fs_.kill_process();
        }
        open();
        check();
    }

    void reopen() {
        // A crash may come while the log is opened: then it is opened again.
        for (int attempt = 0; attempt < 50; ++attempt) {
            try {
                queue_.reset();
                open();
                check();
                return;
            } catch (const SimCrash&) {
                ++crashes_;
                fs_.power_failure();
            }
        }
        ADD_FAILURE() << "the log can't be opened";
    }

    void open() {
        fs_.stop_failing();  // faults meant for a commit
        if (hard_ && try_open_on_a_bad_disk()) return;
        auto opened = open_segmented_log(fs_, log_directory, options_, log_);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        queue_ = std::move(*opened);
    }

    /// A failing start must name the place and harm nothing: the next one finds everything.
    bool try_open_on_a_bad_disk() {
        for (int attempt = 0; attempt < 2; ++attempt) {
            auto opened = open_segmented_log(fs_, log_directory, options_, log_);
            if (opened.has_value()) {
                queue_ = std::move(*opened);
                return true;
            }
            EXPECT_NE(opened.error().message.find("/state"), std::string::npos)
                << opened.error().message;
        }
        fs_.heal();
        return false;
    }

    void check() {
        ASSERT_TRUE(queue_);
        fs_.heal();
        undo_may_fail_ = false;
        std::map<Seq, Event> found;
        for (const auto& event : queued_events(*queue_)) {
            const auto record = queue_->read(event.seq);
            ASSERT_TRUE(record.has_value()) << record.error().message;
            const std::uint64_t number = number_of(*record);
            EXPECT_TRUE(same(*record, make_event(number, record->token, record->body.size())));
            found[event.seq] = {number, record->token};
            const auto known = queued_.find(event.seq);
            if (known != queued_.end()) {
                EXPECT_EQ(known->second.number, number) << "another event has its place";
            } else {
                EXPECT_TRUE(in_doubt_.contains(number))
                    << "event " << number << " came back as " << to_number(event.seq);
            }
            EXPECT_FALSE(erased_.contains(record->token)) << "came back after its erasure";
        }
        for (const auto& [seq, event] : queued_) {
            if (settled_in_doubt_.contains(seq) || erasing_.contains(event.token)) continue;
            EXPECT_TRUE(found.contains(seq)) << "event " << event.number << " is lost";
        }
        EXPECT_EQ(queue_->ledger().unaccounted(queue_->usage().events), 0);
        for (const auto& line : log_.named("spool.damaged")) {
            ADD_FAILURE() << "a crash is not damage: " << testing::PrintToString(line.fields);
        }
        if (!found.empty()) highest_ = std::max(highest_, found.rbegin()->first);
        queued_ = std::move(found);
        in_doubt_.clear();
        settled_in_doubt_.clear();
        erasing_.clear();
        check_erased();
        check_ids();
    }

    /// Checks that every id chosen by a producer is known, also of events settled long ago.
    void check_ids() {
        if (options_.dedup_window == Milliseconds(0) || !log_.named("spool.ids_failed").empty()) {
            return;
        }
        std::set<std::string> known;
        for (const auto& id : test::known_ids(*queue_, WallTime::min(), 1 << 20))
            known.insert(id.id);
        for (const auto& [id, token] : own_ids_) {
            EXPECT_TRUE(known.contains(id)) << id << " is forgotten";
        }
    }

    void check_erased() {
        for (const TokenId token : erased_) {
            const std::string mark = "token-" + std::to_string(to_number(token)) + "-mark";
            EXPECT_FALSE(fs_.holds(mark)) << mark << " is still on the disk";
        }
    }

    static std::uint64_t number_of(const EventRecord& event) {
        return std::stoull(event.id.substr(event.id.rfind('-') + 1));
    }

    Random random_;
    SimFileSystem fs_;
    storage::LogOptions options_;
    RecordingLog log_;
    std::unique_ptr<EventQueue> queue_;

    std::uint64_t last_number_ = 0;
    Seq highest_ = Seq::none;
    std::map<Seq, Event> queued_;
    std::set<std::uint64_t> in_doubt_;  ///< numbers submitted and not answered
    std::set<Seq> settled_in_doubt_;
    std::map<std::string, TokenId> own_ids_;
    std::set<TokenId> erased_;
    std::set<TokenId> erasing_;
    std::uint64_t generation_ = 0;
    std::uint64_t stuck_every_ = 0;
    double stuck_chance_ = 0.01;
    int crashes_ = 0;
    bool hard_ = false;
    bool undo_may_fail_ = false;  ///< no write succeeds, so the remains of a refused one stay
};

}  // namespace flowrelay::test
