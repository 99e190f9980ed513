#include "flowrelay/base/log.hpp"

namespace flowrelay {

std::string_view to_string(Severity severity) noexcept {
    switch (severity) {
        case Severity::debug:
            return "debug";
        case Severity::info:
            return "info";
        case Severity::notice:
            return "notice";
        case Severity::warning:
            return "warning";
        case Severity::error:
            return "error";
        case Severity::critical:
            return "critical";
    }
    return "unknown";
}

}  // namespace flowrelay
