// A header field of a message that was read.
#pragma once

#include <string_view>

namespace flowrelay::http {

struct Field {
    std::string_view name;   ///< as it was sent; compare without regard to case
    std::string_view value;  ///< without the white space around it
};

}  // namespace flowrelay::http
