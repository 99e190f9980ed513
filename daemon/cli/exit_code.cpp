#include "cli/exit_code.hpp"

namespace flowrelay::cli {

ExitCode exit_code_of(client::Failure failure) noexcept {
    switch (failure) {
        case client::Failure::usage:
            return ExitCode::usage;
        case client::Failure::rejected:
            return ExitCode::rejected;
        case client::Failure::unavailable:
            return ExitCode::unavailable;
        case client::Failure::not_permitted:
            return ExitCode::not_permitted;
        case client::Failure::try_later:
            break;
    }
    return ExitCode::try_later;
}

ExitCode exit_code_of(const Error& error) noexcept {
    return exit_code_of(client::failure_of(error));
}

}  // namespace flowrelay::cli
