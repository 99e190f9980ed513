// What an error of the disk means for the log: a refusal that passes, or the end of writing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::storage {

class LogFailure {
public:
    /// Set once something failed for good: every later write fails with it.
    const std::optional<Error>& error() const noexcept { return error_; }

    /// An error `full`. Remembers `code`, see RefusingBecause::code.
    Error full(std::string_view code, std::string message);
    std::string_view full_code() const noexcept { return full_code_; }

    /// Nothing is known any more of what was written: it is final.
    Error fail(const Error& error);

    /// A full disk, missing descriptors and bytes that can't be read pass; all else is final.
    Error fail_unless_passing(const Error& error);

private:
    std::optional<Error> error_;
    std::string_view full_code_;
};

}  // namespace flowrelay::storage
