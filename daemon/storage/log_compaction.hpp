// Copies forward what is still queued in segments that hold little else, so that a few old events
// do not pin the disk. A run of neighbouring segments becomes one, which takes their place in the
// log: the order of the seqs stays, and so does what is known of outcomes for older events.
//
// A run is chosen when at most a quarter of its bytes is still queued: for each byte that is
// written three are freed, so that no event costs more than a third of its size again, however
// often it is copied. docs/architecture.md, "Reclaim".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/random.hpp"
#include "known_ids.hpp"
#include "log_files.hpp"
#include "log_segments.hpp"

namespace flowrelay::storage {

class LogCompaction {
public:
    /// All references outlive it.
    LogCompaction(LogFiles& files, LogSegments& segments, KnownIds& known_ids, Random& random,
                  Log& log, std::uint64_t segment_size)
        : files_(files),
          segments_(segments),
          known_ids_(known_ids),
          random_(random),
          log_(log),
          size_(segment_size) {}

    /// To be looked at again: a segment was sealed. `pressed`: the spool is full, so that segments
    /// are taken whose events are still on their way out.
    void wake(bool pressed) noexcept {
        awake_ = true;
        pressed_ = pressed_ || pressed;
    }
    bool awake() const noexcept { return awake_ || job_.has_value(); }

    /// Copies about a MiB, or finds out what to copy, or puts the new segment in its place; gives
    /// whether there is more to do. Errors: it is not known what is in the directory.
    Result<bool> step();

    /// Gives up what is half done.
    void abandon();

private:
    struct Origin {
        std::size_t segment = 0;  ///< in the run
        std::size_t place = 0;
    };
    struct Job {
        std::uint64_t first_number = 0;
        std::size_t count = 0;  ///< segments in the run
        std::unique_ptr<File> file;
        SegmentHeader header;
        std::uint64_t end = segment_header_size;
        std::uint32_t commit = 0;
        Origin next;
        std::vector<Origin> origins;
        IndexContents contents;
    };

    bool eligible(const Segment& segment) const;
    bool choose();
    bool begin(std::size_t first, std::size_t count);
    std::optional<std::size_t> place_of_run() const;
    Result<void> copy_some(std::size_t first);
    Result<void> copy(Segment& segment, const IndexedEvent& event,
                      std::vector<std::uint8_t>& buffer);
    Result<void> write_settled(std::size_t first);
    Result<void> seal();
    Result<void> check_complete(const Job& job, std::size_t first) const;
    Result<void> publish(std::size_t first);
    Result<bool> give_up(const Error& error);

    LogFiles& files_;
    LogSegments& segments_;
    KnownIds& known_ids_;
    Random& random_;
    Log& log_;
    std::uint64_t size_;
    bool awake_ = true;
    bool pressed_ = false;
    std::optional<Job> job_;
};

}  // namespace flowrelay::storage
