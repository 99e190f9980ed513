// Recognizes a producer's protocol by the first bytes of the connection. Pure.
#pragma once

#include <string_view>

namespace flowrelay::runtime {

enum class Opening {
    unknown,  ///< needs more bytes
    lines,    ///< NDJSON
    http,
    neither,
};

/// Returns the protocol. Ignores leading white space, empty lines and a byte order mark. NDJSON
/// begins with a bracket; HTTP begins with a capital letter, or with a method not in capitals and a
/// target. Anything else is neither, once its first line has ended or is longer than a method.
Opening opening_of(std::string_view bytes) noexcept;

/// Returns `bytes` without what opening_of() ignores.
std::string_view skip_before_opening(std::string_view bytes) noexcept;

/// Returns the message for a first line in neither protocol; empty: report what is wrong with it as
/// JSON.
std::string_view problem_of_opening(std::string_view bytes) noexcept;

}  // namespace flowrelay::runtime
