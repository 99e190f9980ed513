// make_man NAME SECTION SUMMARY PAGE.md: writes PAGE.md as the man page NAME(7), in mdoc(7), to
// stdout. It knows the Markdown that the project's documents use: headings, paragraphs, lists,
// tables, fenced text, and the marks of code, emphasis and links within a line.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

// The date of the release, so that a rebuild produces the same page.
constexpr std::string_view date = "November 28, 2026";

/// Escapes text that roff would treat as an instruction, and names characters outside of ASCII.
std::string escape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte == '\\') {
            out += "\\e";
        } else if (byte == '-') {
            out += "\\-";
        } else if (byte < 0x80) {
            out += text[i];
        } else {
            const unsigned more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
            unsigned point = byte & (0x3FU >> more);
            for (unsigned n = 0; n < more && i + 1 < text.size(); ++n) {
                point = point << 6 | (static_cast<unsigned char>(text[++i]) & 0x3FU);
            }
            out += fmt::format("\\[u{:04X}]", point);
        }
    }
    return out;
}

/// Returns the roff text of a paragraph or cell: code and emphasis in bold, links without targets.
std::string inline_text(std::string_view text, bool bold = false) {
    std::string out;
    while (!text.empty()) {
        const std::size_t mark = std::min(text.find_first_of("`*[\\"), text.size());
        out += escape(text.substr(0, mark));
        text.remove_prefix(mark);
        if (text.empty()) break;
        const std::string_view on = bold ? "" : "\\fB";
        const std::string_view off = bold ? "" : "\\fP";
        std::size_t end = 0;
        if (text.front() == '`' && (end = text.find('`', 1)) != text.npos) {
            out += fmt::format("{}{}{}", on, escape(text.substr(1, end - 1)), off);
            text.remove_prefix(end + 1);
        } else if (text.starts_with("**") && (end = text.find("**", 2)) != text.npos) {
            out += fmt::format("{}{}{}", on, inline_text(text.substr(2, end - 2), true), off);
            text.remove_prefix(end + 2);
        } else if (text.front() == '[' && (end = text.find("](")) < text.find(']') + 1) {
            out += inline_text(text.substr(1, end - 1), bold);
            text.remove_prefix(std::min(text.find(')', end), text.size() - 1) + 1);
        } else if (text.starts_with("\\|")) {
            out += '|';
            text.remove_prefix(2);
        } else {
            out += escape(text.substr(0, 1));
            text.remove_prefix(1);
        }
    }
    return out;
}

/// Writes text with a line break after each sentence; no line looks like a request to roff.
void print_text(std::string_view markdown) {
    constexpr std::size_t width = 78;
    std::istringstream words(inline_text(markdown));
    std::string line;
    const auto flush = [&] {
        if (line.empty()) return;
        const bool is_request = line.front() == '.' || line.front() == '\'';
        fmt::print("{}{}\n", is_request ? "\\&" : "", line);
        line.clear();
    };
    for (std::string word; words >> word;) {
        if (!line.empty() && line.size() + 1 + word.size() > width) flush();
        line += (line.empty() ? "" : " ") + word;
        if (word.size() > 2 && (word.ends_with('.') || word.ends_with('?'))) flush();
    }
    flush();
}

/// Returns the cells of a row of a table: the texts between bars that are not escaped.
std::vector<std::string> cells(std::string_view row) {
    std::vector<std::string> found;
    std::string cell;
    for (std::size_t i = 1; i < row.size(); ++i) {
        if (row[i] == '|' && row[i - 1] != '\\') {
            const std::size_t first = std::min(cell.find_first_not_of(' '), cell.size());
            cell.erase(0, first);
            cell.erase(cell.find_last_not_of(' ') + 1);
            found.push_back(std::move(cell));
            cell.clear();
        } else {
            cell += row[i];
        }
    }
    return found;
}

/// Returns text to follow a macro, with each word escaped that mdoc could treat as another macro:
/// those have two or three letters and begin with a capital, like "It".
std::string after_macro(std::string_view markdown) {
    std::istringstream words(inline_text(markdown));
    std::string out;
    for (std::string word; words >> word;) {
        const bool looks_like_macro =
            word.size() <= 3 && word.front() >= 'A' && word.front() <= 'Z';
        out += (out.empty() ? "" : " ") + (looks_like_macro ? "\\&" + word : word);
    }
    return out;
}

/// Writes a row as a tag (all cells but the last) and its text (the last cell).
void print_row(std::string_view row) {
    const auto all = cells(row);
    if (all.empty()) return;
    std::string tag;
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
        if (!all[i].empty()) tag += (tag.empty() ? "" : ", ") + all[i];
    }
    if (tag.empty() && all.back().empty()) return;
    fmt::print(".It {}\n", tag.empty() ? "\\&" : after_macro(tag));
    print_text(all.back());
}

class Page {
public:
    void line(const std::string& text) {
        if (in_fence_) {
            fenced(text);
        } else if (text.starts_with("```")) {
            close();
            fmt::print(".Bd -literal -offset indent\n");
            in_fence_ = true;
        } else if (text.starts_with('#')) {
            close();
            heading(text);
        } else if (text.starts_with('|')) {
            if (block_ != Block::table) open(Block::table);
            if (!text.starts_with("|--")) print_row(text);
        } else if (item(text)) {
            if (block_ != Block::list) open(Block::list);
            flush();
            fmt::print(".It\n");
            text_ = text.substr(text.find(' ') + 1);
        } else if (text.empty()) {
            flush();
            blank_ = true;
        } else {
            if (block_ == Block::table || (blank_ && text.front() != ' ')) close();
            if (block_ == Block::none && text_.empty() && !fresh_) fmt::print(".Pp\n");
            fresh_ = blank_ = false;
            text_ += (text_.empty() ? "" : " ") + text;
        }
    }
    void close() {
        flush();
        if (block_ != Block::none) fmt::print(".El\n");
        block_ = Block::none;
        blank_ = false;
    }

private:
    enum class Block { none, list, table };

    static bool item(std::string_view text) {
        if (text.starts_with("* ") || text.starts_with("- ")) return true;
        const std::size_t digits = text.find_first_not_of("0123456789");
        return digits > 0 && digits != text.npos && text.substr(digits).starts_with(". ");
    }
    void open(Block block) {
        close();
        fresh_ = false;
        block_ = block;
        fmt::print("{}\n", block == Block::list ? ".Bl -bullet" : ".Bl -tag -width Ds");
    }
    void flush() {
        print_text(text_);
        text_.clear();
    }
    void fenced(std::string_view text) {
        if (text.starts_with("```")) {
            fmt::print(".Ed\n");
            in_fence_ = fresh_ = false;
        } else {
            const bool is_request = text.starts_with('.') || text.starts_with('\'');
            fmt::print("{}{}\n", is_request ? "\\&" : "", escape(text));
        }
    }
    void heading(const std::string& text) {
        const std::size_t level = text.find_first_not_of('#');
        if (level == 1) {  // the title, which is in NAME
            fmt::print(".Sh DESCRIPTION\n");
        } else if (level == 2) {
            std::string title = text.substr(level + 1);
            std::ranges::transform(title, title.begin(), [](char c) {
                return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
            });
            fmt::print(".Sh {}\n", inline_text(title));
        } else {
            fmt::print(".Ss {}\n", inline_text(text.substr(level + 1)));
        }
        fresh_ = true;
    }

    Block block_ = Block::none;
    bool in_fence_ = false;
    bool fresh_ = true;   ///< no output since the heading
    bool blank_ = false;  ///< the previous line was empty
    std::string text_;    ///< text of the current paragraph or item
};

}  // namespace

int main(int argc, char** argv) {
    std::ifstream in(argc == 5 ? argv[4] : "");
    if (!in) {
        fmt::print(stderr, "usage: make_man NAME SECTION SUMMARY PAGE.md\n");
        return 64;
    }
    std::string title = argv[1];
    std::ranges::transform(title, title.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    fmt::print(".Dd {}\n.Dt {} {}\n.Os\n.Sh NAME\n.Nm {}\n.Nd {}\n", date, title, argv[2], argv[1],
               argv[3]);
    Page page;
    bool is_contents = false;  // skips links within the page: a man page is searched
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("* [") && line.find("](#") != line.npos) {
            is_contents = true;
        } else if (!is_contents || !line.starts_with("  ")) {
            is_contents = false;
            page.line(line);
        }
    }
    page.close();
    fmt::print(".Sh SEE ALSO\n.Xr flowrelay 1 ,\n.Xr flowrelay.yaml 5 ,\n.Xr flowrelayd 8\n");
    return 0;
}
