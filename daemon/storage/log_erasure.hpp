// The erasure of a set of tokens from the files of the log, in steps of a few milliseconds, with
// commits in between. docs/spool-format.md, "Erasure of tokens".
//
// Two stages. First next_outcomes() names the queued events, which the log settles durably: from
// then on recovery takes a wrong payload of theirs for wiped. Then the wiping, which comes to an
// end although segments and spares change places under it: each file that is clean carries the
// number of the erasure along.
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
    /// All references outlive it.
    LogErasure(LogFiles& files, LogSegments& segments, KnownIds& known_ids,
               std::uint64_t segment_size)
        : files_(files), segments_(segments), known_ids_(known_ids), segment_size_(segment_size) {}

    void begin(std::span<const TokenId> tokens);
    bool active() const noexcept { return active_; }

    /// Ends it, whatever is left to be done.
    void stop();

    struct Queued {
        Seq seq = Seq::none;
        TokenId token = TokenId::none;
    };
    /// Returns some events to settle; none when all are. Valid until the next call.
    Result<std::span<const Queued>> next_outcomes();
    void all_settled() noexcept { settled_ = true; }
    bool settled() const noexcept { return settled_; }

    /// Wipes a part of a segment. True: no segment has anything left. An error is one of the log.
    Result<bool> wipe_segments();

    /// Wipes a part of what lies beside the segments; to be called once wipe_segments() has
    /// returned true. True: nothing is left in any file. After an error the log is as usable as
    /// before.
    Result<bool> wipe_rest();

private:
    struct Place {
        std::uint64_t number = 0;  ///< of the segment
        std::uint64_t offset = 0;  ///< its records are wiped up to here
        bool has_records = false;  ///< of the tokens, perhaps
        bool has_tail = false;     ///< it was dirty when this began
        std::uint64_t tail = 0;    ///< wiped up to here
    };

    Segment* segment_behind(std::uint64_t number);
    Result<void> begin_segment(Segment& segment);
    Result<void> wipe_some(Segment& segment);

    LogFiles& files_;
    LogSegments& segments_;
    KnownIds& known_ids_;
    std::uint64_t segment_size_;
    std::uint64_t number_ = 0;  ///< of this erasure
    bool active_ = false;
    bool settled_ = false;
    bool ids_wiped_ = false;
    ErasedTokens tokens_;
    std::uint64_t looked_at_ = 0;  ///< segments up to this number, for their queued events
    std::vector<Queued> queued_;
    std::size_t next_queued_ = 0;
    Place place_;
};

}  // namespace flowrelay::storage
