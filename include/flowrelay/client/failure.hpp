// Reasons for failed steps, as far as programs must distinguish them. Users get a sentence.
#pragma once

#include <functional>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::client {

enum class Failure {
    usage,          ///< the request is invalid for every user
    rejected,       ///< the same request would be refused again
    unavailable,    ///< nothing listens on the socket
    not_permitted,  ///< this user lacks the permission
    try_later,      ///< the same request may succeed later
};

/// Classifies the error of a failed connection.
Failure failure_of(const Error& error) noexcept;

/// Receives one sentence for users: what went wrong, and what to do. Safe to print, without
/// secrets.
using Say = std::function<void(std::string_view sentence)>;

}  // namespace flowrelay::client
