// Directory names.
#pragma once

#include <string>

namespace flowrelay::storage {

/// Returns the directory that contains `path`: "/var/lib" for "/var/lib/spool/", "." for "spool".
inline std::string parent_of(const std::string& path) {
    const auto end = path.find_last_not_of('/');
    const auto slash = path.rfind('/', end);
    if (end == std::string::npos || slash == 0) return "/";
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace flowrelay::storage
