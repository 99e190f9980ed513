// File names in the directory of a spool (docs/spool-format.md).
#pragma once

#include <string_view>

namespace flowrelay::storage {

inline constexpr std::string_view log_directory_name = "spool";
inline constexpr std::string_view registry_name = "tokens";
inline constexpr std::string_view letters_name = "dead-letters";

}  // namespace flowrelay::storage
