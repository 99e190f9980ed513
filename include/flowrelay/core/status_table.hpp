// What each HTTP status means for an event: the registry of statuses
// (https://www.iana.org/assignments/http-status-codes) and RFC 9110, section 15, row by row. The
// same table for people is in docs/protocol.md. Pure; any thread.
#pragma once

#include <span>
#include <string_view>

#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

struct StatusRow {
    int status = 0;
    std::string_view name;
    Verdict verdict = Verdict::retry;
};

/// A row for each status that is registered, in ascending order; 1xx are no final answers.
std::span<const StatusRow> status_table() noexcept;

/// For a status without a row that of its class: 2xx delivered, 3xx the destination is parked, 4xx
/// rejected. A 5xx, and what is no status of HTTP at all, is tried again.
Verdict verdict_of_status(int status) noexcept;

}  // namespace flowrelay::core
