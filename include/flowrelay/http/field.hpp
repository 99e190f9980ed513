// A header field of a received message.
#pragma once

#include <string_view>

namespace flowrelay::http {

struct Field {
    std::string_view name;   ///< as received; compare it case-insensitively
    std::string_view value;  ///< without surrounding white space
};

}  // namespace flowrelay::http
