// Erases a set of tokens from the files of the log, in steps of a few milliseconds, with commits in
// between. docs/spool-format.md, "Erasure of a set of tokens".
//
// Two stages. First next_outcomes() returns the queued events, which the log settles durably: from
// then on recovery takes an invalid payload of theirs as wiped. The second stage wipes. It
// terminates although segments and spares change places meanwhile: each clean file is marked with
// the number of the erasure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "known_ids.hpp"
#include "log_files.hpp"
#include "log_segments.hpp"
#include "segment_wipe.hpp"

namespace flowrelay::storage {

class LogErasure {
public:
    /// All references must outlive this.
    LogErasure(LogFiles& files, LogSegments& segments, KnownIds& known_ids,
               std::uint64_t segment_size)
        : files_(files), segments_(segments), known_ids_(known_ids), segment_size_(segment_size) {}

    void begin(std::span<const TokenId> tokens);
    bool active() const noexcept { return active_; }

    /// Ends the erasure, finished or not.
    void stop();

    struct Queued {
        Seq seq = Seq::none;
        TokenId token = TokenId::none;
    };
    /// Returns some events to settle; none when all are settled. Valid until the next call.
    Result<std::span<const Queued>> next_outcomes();
    void all_settled() noexcept { settled_ = true; }
    bool settled() const noexcept { return settled_; }

    /// Wipes a part of a segment. Returns true when no segment has anything left to wipe. Errors
    /// are errors of the log.
    Result<bool> wipe_segments();

    /// Wipes a part of the other files; to be called once wipe_segments() has returned true.
    /// Returns true when nothing is left in any file. An error does not affect the log.
    Result<bool> wipe_rest();

private:
    struct Place {
        std::uint64_t number = 0;  ///< number of the segment
        std::uint64_t offset = 0;  ///< records before it are wiped
        bool has_records = false;  ///< the segment may have records of the tokens
        bool has_tail = false;     ///< the tail was dirty at first
        std::uint64_t tail = 0;    ///< the tail is wiped up to here
    };

    Segment* segment_behind(std::uint64_t number);
    Result<void> begin_segment(Segment& segment);
    Result<void> wipe_some(Segment& segment);

    LogFiles& files_;
    LogSegments& segments_;
    KnownIds& known_ids_;
    std::uint64_t segment_size_;
    std::uint64_t number_ = 0;  ///< number of this erasure
    bool active_ = false;
    bool settled_ = false;
    bool ids_wiped_ = false;
    ErasedTokens tokens_;
    std::uint64_t looked_at_ = 0;  ///< segments up to this number were searched for queued events
    std::vector<Queued> queued_;
    std::size_t next_queued_ = 0;
    Place place_;
};

}  // namespace flowrelay::storage
