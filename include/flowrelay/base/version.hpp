// The version of the project, as CMakeLists.txt has it: "0.1.0".
#pragma once

#include <string_view>

namespace flowrelay {

std::string_view version() noexcept;

}  // namespace flowrelay
