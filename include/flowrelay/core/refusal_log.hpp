// Tells whose submissions are refused: each at debug, and a sum at notice when it goes on.
//
// Refusals that go on are those of one user, unit and code that are still made a minute after the
// first of them, or are a hundred before that. A quiet stretch of ten minutes ends a run of them.
// What the relay's own state causes (queue_full, token_queue_full, shutting_down, storage_failed)
// has lines elsewhere.
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

/// Adds the fields `uid`, `pid` and `unit` of a producer, if it is known. They hold views of `by`.
void add_producer(std::vector<LogField>& fields, const std::optional<Producer>& by);

class RefusalLog {
public:
    /// Users, units and codes that are told apart; further ones are summed up together.
    static constexpr std::size_t max_runs = 256;

    /// `log` outlives this object.
    explicit RefusalLog(Log& log) : log_(log) {}

    /// A submission was refused. `source`: of its event, or empty. `by`: nothing when the producer
    /// is not known (TCP).
    void note(const Rejection& rejection, std::string_view source,
              const std::optional<Producer>& by, MonoTime now);

    /// How many runs of refusals are remembered.
    std::size_t runs() const noexcept { return runs_.size(); }

private:
    /// The refusals of one user, unit and code that follow one another.
    struct Run {
        MonoTime since{};  ///< the first that no line has told
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
