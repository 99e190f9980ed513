// Logs refused submissions: each one at debug, and a summary at notice if refusals continue.
//
// Refusals with one user, unit and code continue if there is one a minute after the first, or if
// there are a hundred before that. Ten quiet minutes end a run of refusals. Refusals caused by the
// relay's own state (queue_full, token_queue_full, shutting_down, storage_failed) are logged
// elsewhere.
//
// Time is an argument. Owned by one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/event.hpp"
#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

/// Adds the fields `uid`, `pid` and `unit` of a producer, if it is known. They refer to `by`.
void add_producer(std::vector<LogField>& fields, const std::optional<Producer>& by);

class RefusalLog {
public:
    /// Maximum number of combinations of user, unit and code; more are counted together.
    static constexpr std::size_t max_runs = 256;

    /// `log` must outlive this object.
    explicit RefusalLog(Log& log) : log_(log) {}

    /// Records a refused submission. `source` is that of the event, or empty. `by` is nothing if
    /// the producer is unknown (TCP).
    void note(const Rejection& rejection, std::string_view source,
              const std::optional<Producer>& by, MonoTime now);

    /// Returns the number of remembered runs.
    std::size_t runs() const noexcept { return runs_.size(); }

private:
    /// Successive refusals with one user, unit and code.
    struct Run {
        MonoTime since{};  ///< the first one that is not in a logged line
        MonoTime last{};
        std::uint64_t untold = 0;
    };
    using Key = std::tuple<std::string, std::string, RejectCode>;  ///< uid, unit, code

    Run& run(const std::optional<Producer>& by, RejectCode code, MonoTime now);
    void write_debug(const Rejection& rejection, std::string_view source,
                     const std::optional<Producer>& by);
    void write_sum(const Rejection& rejection, const std::optional<Producer>& by, Run& run,
                   MonoTime now);

    Log& log_;
    std::map<Key, Run> runs_;
};

}  // namespace flowrelay::core
