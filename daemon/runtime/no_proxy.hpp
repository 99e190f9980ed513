// The entries of NO_PROXY, in all forms that curl and Go take.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flowrelay::runtime {

struct NoProxy {
    std::string match;                  ///< the entry that names the host; empty: none does
    std::vector<std::string> unusable;  ///< entries that can't match any host
};

/// Entries are separated by commas or blanks:
///     *                           every host
///     example.com, .example.com   a name and all below it; "*.example.com" is the same
///     192.0.2.1, ::1, [::1]       an address
///     192.0.2.0/24, 2001:db8::/32 a range of addresses
/// All but ranges and "*" can have a port, example.com:443 or [::1]:443, and mean that port alone.
/// Case does not matter, nor does a dot at the end of a name.
NoProxy read_no_proxy(std::string_view list, std::string_view host, std::uint16_t port);

}  // namespace flowrelay::runtime
