// Interprets NO_PROXY, in all forms that curl and Go accept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flowrelay::runtime {

struct NoProxy {
    std::string match;                  ///< the entry that matches the host; empty: none
    std::vector<std::string> unusable;  ///< entries that can't match any host
};

/// Finds the entry that matches a host. Entries are separated by commas or blanks:
///     *                           every host
///     example.com, .example.com   a name and all below it; "*.example.com" is the same
///     192.0.2.1, ::1, [::1]       an address
///     192.0.2.0/24, 2001:db8::/32 a range of addresses
/// Names and addresses can have a port, example.com:443 or [::1]:443, and then match only that
/// port. Case and a dot at the end of a name are ignored.
NoProxy read_no_proxy(std::string_view list, std::string_view host, std::uint16_t port);

}  // namespace flowrelay::runtime
