// What a monitoring system should think of a state: the rules of `flowrelay health`. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// As the monitoring plug-ins of Nagios and its heirs end.
enum class Health : int { ok = 0, warning = 1, critical = 2, unknown = 3 };

struct HealthLimits {
    Milliseconds warn_age{900'000};  ///< of the oldest queued event
    Milliseconds crit_age{7'200'000};
    double warn_spool = 80;  ///< per cent of spool.max_size
    double crit_spool = 95;
    std::uint64_t warn_dead = 0;  ///< dead letters; 0: any number is well
};

struct HealthReport {
    Health health = Health::ok;
    std::string line;  ///< "OK - 12 queued, ... | queued=12 ..."
};

/// The daemon gave no status. Critical when it does not run or does not answer; unknown when that
/// can't be found out: no permission, or something else answers there.
HealthReport judge_no_answer(const Error& error);

/// `status`: the answer to GET /v1/status.
HealthReport judge_health(const boost::json::object& status, const HealthLimits& limits);

}  // namespace flowrelay::cli
