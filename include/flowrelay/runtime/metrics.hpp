// What is measured while the relay works, beside what its parts count anyway.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/metrics.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/verdict.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"
#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

struct ControlContext;
class Engine;

/// Accepted events by who handed them in. Bounded: those who come when there are many already are
/// counted together.
class ProducerCounts {
public:
    static constexpr std::size_t most = 50;

    /// Nothing is known of producers that come over TCP.
    void note(const std::optional<core::Producer>& producer);

    struct Count {
        std::string uid;   ///< "1000"; "" of the unknown, "other" of those beyond the bound
        std::string unit;  ///< "ci.service"; may be empty
        std::uint64_t events = 0;
    };
    const std::vector<Count>& counts() const noexcept { return counts_; }

private:
    std::vector<Count> counts_{Count{}};  ///< the unknown first
    std::size_t last_ = 0;                ///< most often it is the same again
};

/// Counters and histograms of the I/O thread, but for those of commits, which the storage thread
/// observes.
struct Metrics {
    ProducerCounts producers;

    /// From the event handed in to the event durable, in seconds.
    core::Histogram commit_latency{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                   0.025,  0.05,    0.1,    0.25,  1,      5};
    /// From the event accepted to the event delivered, in seconds, waits and outages included.
    core::Histogram delivery_latency{0.001, 0.005, 0.01, 0.05,  0.1,   0.5,    1,      5,
                                     30,    60,    300,  1'800, 3'600, 21'600, 86'400, 432'000};
    /// From the first byte of a request to the last of its answer, in seconds.
    core::Histogram request_duration{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                     0.25,  0.5,    1,     2.5,  5,     10,   30};
    /// One write and sync of the log, in seconds, and how many events it made durable.
    core::Histogram commit_duration{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                    0.025,  0.05,    0.1,    0.25,  1,      5};
    core::Histogram commit_events{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024, 4'096};

    std::array<std::uint64_t, core::reject_codes> rejected{};

    /// Requests by how they ended: 2xx to 5xx, then the AttemptEnds without a response.
    static constexpr std::size_t attempt_ends =
        static_cast<std::size_t>(core::AttemptEnd::broken_response) + 1;
    std::array<std::uint64_t, 6> answers{};  ///< by the first digit of the status
    std::array<std::uint64_t, attempt_ends> failures{};

    void note_rejection(core::RejectCode code) noexcept {
        ++rejected.at(static_cast<std::size_t>(code));
    }
    void note_attempt(const core::AttemptResult& result) noexcept;
};

/// For storage::Spool: measures the commits.
std::shared_ptr<storage::CommitObserver> observe_commits(std::shared_ptr<Metrics> metrics);

/// Everything there is to say, for the monitoring that asks. I/O thread; `snapshot` was just taken.
std::string metrics_report(core::MetricsText::Format format, Engine& engine,
                           const StorageMailbox::Snapshot& snapshot, const ControlContext& context);

/// The format for an Accept field, and the Content-Type that goes with it.
core::MetricsText::Format metrics_format(std::string_view accept) noexcept;
std::string_view metrics_content_type(core::MetricsText::Format format) noexcept;

}  // namespace flowrelay::runtime
