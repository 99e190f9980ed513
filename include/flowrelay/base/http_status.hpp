// What a status of HTTP says (RFC 9110, section 15), wherever one is looked at.
#pragma once

namespace flowrelay {

/// 2xx: the request was received, understood and accepted.
constexpr bool is_success(int status) noexcept {
    return status >= 200 && status < 300;
}

}  // namespace flowrelay
