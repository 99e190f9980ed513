// Decides whether an error of the disk is transient for the log, or ends all writing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::storage {

class LogFailure {
public:
    /// The final error, with which every later write fails; empty while there is none.
    const std::optional<Error>& error() const noexcept { return error_; }

    /// Returns an error `full`, and remembers `code`; see RefusingBecause::code.
    Error full(std::string_view code, std::string message);
    std::string_view full_code() const noexcept { return full_code_; }

    /// Records a final error: it is unknown what was written.
    Error fail(const Error& error);

    /// Records a final error, except for a full disk, missing descriptors and unreadable bytes,
    /// which are transient.
    Error fail_unless_passing(const Error& error);

private:
    std::optional<Error> error_;
    std::string_view full_code_;
};

}  // namespace flowrelay::storage
