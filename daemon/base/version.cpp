#include "flowrelay/base/version.hpp"

namespace flowrelay {

std::string_view version() noexcept {
    return FLOWRELAY_VERSION;
}

}  // namespace flowrelay
