#include "config_yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <cstddef>
#include <optional>
#include <sstream>
#include <utility>

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::app {

namespace {

class TreeBuilder final : public YAML::EventHandler {
public:
    TreeBuilder(const std::string& file, std::vector<ConfigProblem>& problems)
        : file_(file), problems_(problems) {}

    YamlNode take_root() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
        add(make(YamlNode::Kind::null, mark));
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        complain(mark, "aliases (*name) are not supported here; repeat the value");
        add(make(YamlNode::Kind::null, mark));
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  const std::string& value) override {
        YamlNode node = make(YamlNode::Kind::scalar, mark);
        node.text = value;
        node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
        if (!node.quoted) refuse_tag(mark, tag);
        add(std::move(node));
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        refuse_tag(mark, tag);
        open_.push_back({make(YamlNode::Kind::sequence, mark), {}, false});
    }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        refuse_tag(mark, tag);
        open_.push_back({make(YamlNode::Kind::map, mark), {}, false});
    }

    void OnSequenceEnd() override { close(); }
    void OnMapEnd() override { close(); }

private:
    /// A collection that is being read. If `has_key` is set, `key` still lacks its value.
    struct Open {
        YamlNode node;
        YamlNode key;
        bool has_key;
    };

    static YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark) {
        YamlNode node;
        node.kind = kind;
        node.line = mark.line + 1;
        node.column = mark.column + 1;
        return node;
    }

    void complain(const YAML::Mark& mark, std::string message) {
        problems_.push_back({file_, mark.line + 1, mark.column + 1, std::move(message)});
    }

    void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
        if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:seq" ||
            tag == "tag:yaml.org,2002:map") {
            return;
        }
        complain(mark, "tags (!name) are not supported here, except !!str");
    }

    void close() {
        YamlNode node = std::move(open_.back().node);
        open_.pop_back();
        add(std::move(node));
    }

    void add(YamlNode node) {
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& top = open_.back();
        if (top.node.kind == YamlNode::Kind::sequence) {
            top.node.items.push_back(std::move(node));
        } else if (top.has_key) {
            top.node.entries.push_back({std::move(top.key), std::move(node)});
            top.has_key = false;
        } else {
            if (node.kind != YamlNode::Kind::scalar) {
                problems_.push_back({file_, node.line, node.column, "a key must be a plain word"});
            }
            top.key = std::move(node);
            top.has_key = true;
        }
    }

    const std::string& file_;
    std::vector<ConfigProblem>& problems_;
    std::vector<Open> open_;
    YamlNode root_;
};

bool all_digits(std::string_view text) {
    return !text.empty() && ascii::all_digits(text);
}

/// Returns whether the text is a JSON number (RFC 8259, section 6).
bool is_json_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const std::size_t exponent = text.find_first_of("eE");
    if (exponent != std::string_view::npos) {
        std::string_view digits = text.substr(exponent + 1);
        if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
        if (!all_digits(digits)) return false;
        text = text.substr(0, exponent);
    }
    const std::size_t point = text.find('.');
    if (point != std::string_view::npos) {
        if (!all_digits(text.substr(point + 1))) return false;
        text = text.substr(0, point);
    }
    return all_digits(text) && (text.size() == 1 || text.front() != '0');
}

std::string json_string(const std::string& text) {
    return boost::json::serialize(boost::json::string(text));
}

void append_json(std::string& out, const YamlNode& node) {
    switch (node.kind) {
        case YamlNode::Kind::null:
            out += "null";
            break;
        case YamlNode::Kind::scalar: {
            const bool literal = !node.quoted && (node.text == "true" || node.text == "false" ||
                                                  is_json_number(node.text));
            out += literal ? node.text : json_string(node.text);
            break;
        }
        case YamlNode::Kind::sequence: {
            char separator = '[';
            for (const YamlNode& item : node.items) {
                out += std::exchange(separator, ',');
                append_json(out, item);
            }
            out += node.items.empty() ? "[]" : "]";
            break;
        }
        case YamlNode::Kind::map: {
            char separator = '{';
            for (const YamlEntry& entry : node.entries) {
                out += std::exchange(separator, ',');
                out += json_string(entry.key.text);
                out += ':';
                append_json(out, entry.value);
            }
            out += node.entries.empty() ? "{}" : "}";
            break;
        }
    }
}

}  // namespace

namespace {

struct Place {
    int line;
    int column;
};

/// Finds the first tab before the first word of a line.
std::optional<Place> find_tab(std::string_view text) {
    for (int line = 1; !text.empty(); ++line) {
        const std::string_view one = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
        const std::size_t word = one.find_first_not_of(" \t\r");
        const std::size_t tab = one.find('\t');
        if (word == one.npos || one[word] == '#' || tab == one.npos || tab > word) continue;
        return Place{line, static_cast<int>(tab) + 1};
    }
    return std::nullopt;
}

}  // namespace

YamlNode parse_yaml(std::string_view text, const std::string& file,
                    std::vector<ConfigProblem>& problems) {
    const auto tab = find_tab(text);
    constexpr std::string_view about_tab =
        "a tab in the indentation: YAML takes spaces there, nothing else";
    try {
        std::istringstream in{std::string(text)};
        YAML::Parser parser(in);
        TreeBuilder builder(file, problems);
        if (!parser.HandleNextDocument(builder)) return {};
        YamlNode root = builder.take_root();
        if (tab) problems.push_back({file, tab->line, tab->column, std::string(about_tab)});
        TreeBuilder rest(file, problems);
        if (parser.HandleNextDocument(rest)) {
            const YamlNode second = rest.take_root();
            problems.push_back({file, second.line, second.column,
                                "a second document (---): the file may hold only one"});
        }
        return root;
    } catch (const YAML::Exception& e) {
        const int line = e.mark.is_null() ? 0 : e.mark.line + 1;
        const int column = e.mark.is_null() ? 0 : e.mark.column + 1;
        problems.push_back(
            {file, line, column, fmt::format("not valid YAML: {}", tab ? about_tab : e.msg)});
        return {};
    }
}

std::string to_json(const YamlNode& node) {
    std::string out;
    append_json(out, node);
    return out;
}

}  // namespace flowrelay::app
