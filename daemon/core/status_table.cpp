#include "flowrelay/core/status_table.hpp"

#include <algorithm>
#include <array>

namespace flowrelay::core {

namespace {

using enum Verdict;

// Rejected is only what can be about one event: its size, its syntax, its contents. What depends on
// the method, the path, the headers that all requests have in common, the connection or the account
// is never about one event.
constexpr auto rows = std::to_array<StatusRow>({
    {200, "OK", delivered},
    {201, "Created", delivered},
    {202, "Accepted", delivered},
    {203, "Non-Authoritative Information", delivered},
    {204, "No Content", delivered},
    {205, "Reset Content", delivered},
    {206, "Partial Content", delivered},
    {207, "Multi-Status", delivered},
    {208, "Already Reported", delivered},
    {226, "IM Used", delivered},
    {300, "Multiple Choices", park_destination},
    {301, "Moved Permanently", park_destination},
    {302, "Found", park_destination},
    {303, "See Other", park_destination},
    {304, "Not Modified", park_destination},
    {305, "Use Proxy", park_destination},
    {306, "(Unused)", park_destination},
    {307, "Temporary Redirect", park_destination},
    {308, "Permanent Redirect", park_destination},
    {400, "Bad Request", rejected},
    {401, "Unauthorized", park_token},
    {402, "Payment Required", park_token},
    {403, "Forbidden", park_token},
    {404, "Not Found", park_destination},
    {405, "Method Not Allowed", park_destination},
    {406, "Not Acceptable", park_destination},
    {407, "Proxy Authentication Required", park_destination},
    {408, "Request Timeout", retry},
    {409, "Conflict", rejected},
    {410, "Gone", gone},
    {411, "Length Required", park_destination},
    {412, "Precondition Failed", park_destination},
    {413, "Content Too Large", rejected},
    {414, "URI Too Long", park_destination},
    {415, "Unsupported Media Type", rejected},
    {416, "Range Not Satisfiable", park_destination},
    {417, "Expectation Failed", park_destination},
    {418, "(Unused)", park_destination},
    {421, "Misdirected Request", park_destination},
    {422, "Unprocessable Content", rejected},
    {423, "Locked", retry},
    {424, "Failed Dependency", retry},
    {425, "Too Early", retry},
    {426, "Upgrade Required", park_destination},
    {428, "Precondition Required", park_destination},
    {429, "Too Many Requests", throttled},
    {431, "Request Header Fields Too Large", rejected},  // the id is in one of them
    {451, "Unavailable For Legal Reasons", park_destination},
    {500, "Internal Server Error", retry},
    {501, "Not Implemented", park_destination},
    {502, "Bad Gateway", retry},
    {503, "Service Unavailable", retry},
    {504, "Gateway Timeout", retry},
    {505, "HTTP Version Not Supported", park_destination},
    {506, "Variant Also Negotiates", park_destination},
    {507, "Insufficient Storage", retry},
    {508, "Loop Detected", park_destination},
    {510, "Not Extended", park_destination},
    {511, "Network Authentication Required", park_destination},
});

static_assert(std::ranges::is_sorted(rows, {}, &StatusRow::status), "it is searched by halves");

}  // namespace

std::span<const StatusRow> status_table() noexcept {
    return rows;
}

Verdict verdict_of_status(int status) noexcept {
    const auto row = std::ranges::lower_bound(rows, status, {}, &StatusRow::status);
    if (row != rows.end() && row->status == status) return row->verdict;
    if (status >= 200 && status <= 299) return delivered;
    if (status >= 300 && status <= 399) return park_destination;
    if (status >= 400 && status <= 499) return rejected;
    return retry;
}

}  // namespace flowrelay::core
