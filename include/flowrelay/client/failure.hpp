// Why a step failed, as far as programs have to tell the cases apart. People get a sentence.
#pragma once

#include <functional>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::client {

enum class Failure {
    usage,          ///< the request can't be right, whoever makes it
    rejected,       ///< the same request will be refused again
    unavailable,    ///< nobody listens there
    not_permitted,  ///< this user may not do that
    try_later,      ///< it may do later
};

/// Of a connection that failed.
Failure failure_of(const Error& error) noexcept;

/// Takes one sentence for people: what went wrong, and what to do. Fit to print, without secrets.
using Say = std::function<void(std::string_view sentence)>;

}  // namespace flowrelay::client
