#include "sources.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "api.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

json::object Sources::validate(const json::object& update) {
    json::object errors;
    if (string_member(update, "flow_token").empty()) {
        errors["flow_token"] = json::array{"can't be blank"};
    }
    for (const char* member : {"error_message", "configuration_url"}) {
        const json::value* value = update.if_contains(member);
        if (value && !value->is_string()) errors[member] = json::array{"is not a string"};
    }
    return errors;
}

void Sources::update(const json::object& update) {
    Source& source = by_token_[std::string(string_member(update, "flow_token"))];
    ++source.updates;
    if (update.contains("error_message")) {
        source.error_message = string_member(update, "error_message");
    }
    if (update.contains("configuration_url")) {
        source.configuration_url = string_member(update, "configuration_url");
    }
}

std::string Sources::to_json() const {
    json::object all;
    for (const auto& [token, source] : by_token_) {
        all[token] = json::object{{"error_message", source.error_message},
                                  {"configuration_url", source.configuration_url},
                                  {"updates", source.updates}};
    }
    return json::serialize(all);
}

}  // namespace flowrelay::devserver
