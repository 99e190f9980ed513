// HTTP status classes (RFC 9110, section 15).
#pragma once

namespace flowrelay {

/// Whether the status is 2xx: the request was received, understood and accepted.
constexpr bool is_success(int status) noexcept {
    return status >= 200 && status < 300;
}

}  // namespace flowrelay
