#include "flowrelay/app/core_dumps.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace flowrelay::app {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
constexpr bool is_sanitized = __has_feature(address_sanitizer);
#else
constexpr bool is_sanitized = false;
#endif

}  // namespace

void forbid_core_dumps() {
    if (!is_sanitized) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace flowrelay::app
