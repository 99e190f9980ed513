// Measurements of the running relay that are not counted by its parts themselves.
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

/// Counts accepted events per producer. Bounded: once there are `most` producers, further ones are
/// counted together.
class ProducerCounts {
public:
    static constexpr std::size_t most = 50;

    /// Counts one event. Producers that connect over TCP are unknown (no value).
    void note(const std::optional<core::Producer>& producer);

    struct Count {
        std::string uid;   ///< "1000"; "" for unknown producers, "other" for those beyond the bound
        std::string unit;  ///< "ci.service"; may be empty
        std::uint64_t events = 0;
    };
    const std::vector<Count>& counts() const noexcept { return counts_; }

private:
    std::vector<Count> counts_{Count{}};  ///< the unknown first
    std::size_t last_ = 0;  ///< index of the last producer, which is usually the next one as well
};

/// Counters and histograms. Owned by the I/O thread, except those of commits, which the storage
/// thread updates.
struct Metrics {
    ProducerCounts producers;

    /// Time from an event's submission until it is durable, in seconds.
    core::Histogram commit_latency{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                   0.025,  0.05,    0.1,    0.25,  1,      5};
    /// Time from an event's acceptance until its delivery, in seconds, including waits and outages.
    core::Histogram delivery_latency{0.001, 0.005, 0.01, 0.05,  0.1,   0.5,    1,      5,
                                     30,    60,    300,  1'800, 3'600, 21'600, 86'400, 432'000};
    /// Time from the first byte of a request to the last byte of its response, in seconds.
    core::Histogram request_duration{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                     0.25,  0.5,    1,     2.5,  5,     10,   30};
    /// Duration of one write and sync of the log, in seconds, and the number of events it made
    /// durable.
    core::Histogram commit_duration{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                    0.025,  0.05,    0.1,    0.25,  1,      5};
    core::Histogram commit_events{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024, 4'096};

    std::array<std::uint64_t, core::reject_codes> rejected{};

    /// Requests by outcome: `answers` by status class, `failures` by the AttemptEnd without a
    /// response.
    static constexpr std::size_t attempt_ends =
        static_cast<std::size_t>(core::AttemptEnd::broken_response) + 1;
    std::array<std::uint64_t, 6> answers{};  ///< index: first digit of the status
    std::array<std::uint64_t, attempt_ends> failures{};

    void note_rejection(core::RejectCode code) noexcept {
        ++rejected.at(static_cast<std::size_t>(code));
    }
    void note_attempt(const core::AttemptResult& result) noexcept;
};

/// Returns an observer for storage::Spool that records its commits in `metrics`.
std::shared_ptr<storage::CommitObserver> observe_commits(std::shared_ptr<Metrics> metrics);

/// Returns all metrics as text. I/O thread. `snapshot` must be recent.
std::string metrics_report(core::MetricsText::Format format, Engine& engine,
                           const StorageMailbox::Snapshot& snapshot, const ControlContext& context);

/// Returns the format that an Accept field asks for; metrics_content_type() returns its
/// Content-Type.
core::MetricsText::Format metrics_format(std::string_view accept) noexcept;
std::string_view metrics_content_type(core::MetricsText::Format format) noexcept;

}  // namespace flowrelay::runtime
