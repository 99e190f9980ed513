#include "flowrelay/client/json_members.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "flowrelay/app/text.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::client {

namespace json = boost::json;

Result<json::object> parse_object(std::string_view text) {
    boost::system::error_code error;
    // The body of an event may contain half of a surrogate pair, which this parser refuses.
    const auto mended = core::json::replace_lone_surrogates(text);
    json::value parsed = json::parse(mended ? std::string_view(*mended) : text, error);
    if (error || !parsed.is_object()) {
        return Error{make_error_code(boost::system::errc::protocol_error),
                     "the answer is not from flowrelayd; is this the right socket?"};
    }
    return std::move(parsed.get_object());
}

std::string text_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? app::printable(value->get_string()) : "";
}

const json::array* array_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr ? value->if_array() : nullptr;
}

const json::object* object_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr ? value->if_object() : nullptr;
}

}  // namespace flowrelay::client
