// The rules of `flowrelay health`: rates the state of the relay for monitoring systems. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// Exit codes of monitoring plug-ins for Nagios and compatible systems.
enum class Health : int { ok = 0, warning = 1, critical = 2, unknown = 3 };

struct HealthLimits {
    Milliseconds warn_age{900'000};  ///< of the oldest queued event
    Milliseconds crit_age{7'200'000};
    double warn_spool = 80;  ///< per cent of spool.max_size
    double crit_spool = 95;
    std::uint64_t warn_dead = 0;  ///< dead letters; 0: never warn
};

struct HealthReport {
    Health health = Health::ok;
    std::string line;  ///< "OK - 12 queued, ... | queued=12 ..."
};

/// Rates a daemon that returned no status. Critical if it does not run or does not answer. Unknown
/// if that can't be determined: no permission, or another program answers.
HealthReport judge_no_answer(const Error& error);

/// Rates the answer to GET /v1/status.
HealthReport judge_health(const boost::json::object& status, const HealthLimits& limits);

}  // namespace flowrelay::cli
