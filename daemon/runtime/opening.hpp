// Tells by the first bytes of a connection which protocol its producer speaks. Pure.
#pragma once

#include <string_view>

namespace flowrelay::runtime {

enum class Opening {
    unknown,  ///< more has to come
    lines,    ///< NDJSON
    http,
    neither,
};

/// What a connection begins with: white space, empty lines and a byte order mark in front do not
/// count. NDJSON begins with a bracket; HTTP with a capital letter, or with a method that is not in
/// capitals and a target. Anything else is neither, as soon as its first line has ended or is
/// longer than a method.
Opening opening_of(std::string_view bytes) noexcept;

/// `bytes` from where the protocol begins.
std::string_view skip_before_opening(std::string_view bytes) noexcept;

/// What to tell somebody whose first line is of neither protocol; empty: what is wrong with it as
/// JSON.
std::string_view problem_of_opening(std::string_view bytes) noexcept;

}  // namespace flowrelay::runtime
