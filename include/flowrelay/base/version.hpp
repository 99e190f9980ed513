// The version of the project, as set in CMakeLists.txt: "0.1.0".
#pragma once

#include <string_view>

namespace flowrelay {

std::string_view version() noexcept;

}  // namespace flowrelay
