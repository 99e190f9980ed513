// Expected errors: a failed write, a refused connection, a malformed line of input.
//
// An Error has an error_code for programs and a sentence for people. The sentence says what
// happened, to what, and where it helps what to do; it never contains a token.
// Bugs and unusable start-up conditions throw instead (std::logic_error, std::runtime_error).
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace flowrelay {

using boost::system::error_code;

struct Error {
    error_code code;
    std::string message;
};

/// The result of a function that can fail in ways its caller has to handle.
template <class T>
using Result = boost::system::result<T, Error>;

/// Returns the Error of a failed system call: "cannot <action> <object>: <strerror(errno_value)>".
Error system_error(int errno_value, std::string_view action, std::string_view object);

/// Called by Result::value() when it holds an error; throws boost::system::system_error.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

/// Called by value() of other result types that hold no value, which is a bug of the caller; throws
/// std::logic_error. Boost requires a function of this name for each error type.
[[noreturn]] void throw_no_value();

}  // namespace flowrelay
