// Compaction: copies the events still queued in segments that contain little else, so that a few
// old events do not pin the disk. A run of neighbouring segments is replaced by one segment in the
// same place of the log, so the order of seqs and the known outcomes of older events are kept.
//
// A run is chosen when at most a quarter of its bytes is still queued: each byte written then frees
// three, so that an event costs at most a third of its size again, however often it is copied.
// docs/architecture.md, "Reclaim".
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
    /// All references must outlive this.
    LogCompaction(LogFiles& files, LogSegments& segments, KnownIds& known_ids, Random& random,
                  Log& log, std::uint64_t segment_size)
        : files_(files),
          segments_(segments),
          known_ids_(known_ids),
          random_(random),
          log_(log),
          size_(segment_size) {}

    /// Resumes the search for runs after a segment was sealed. `pressed`: the spool is full, so
    /// segments whose events are still being delivered are compacted too.
    void wake(bool pressed) noexcept {
        awake_ = true;
        pressed_ = pressed_ || pressed;
    }
    bool awake() const noexcept { return awake_ || job_.has_value(); }

    /// Does one step: chooses a run, copies about a MiB, or puts the new segment in place. Returns
    /// whether there is more to do. Errors: the state of the directory is unknown.
    Result<bool> step();

    /// Abandons a compaction in progress.
    void abandon();

private:
    struct Origin {
        std::size_t segment = 0;  ///< position in the run
        std::size_t place = 0;
    };
    struct Job {
        std::uint64_t first_number = 0;
        std::size_t count = 0;  ///< number of segments in the run
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
