"""Ways in which people put a topic to a chat model. They are the same for all subjects, so that only the topic decides."""

from __future__ import annotations

import random
import unicodedata

FRAMES = [
    "What is {t}?",
    "what is {t}",
    "Explain {t}.",
    "Explain {t} to me like I'm five.",
    "can you explain {t}",
    "Can you explain {t} in simple terms?",
    "Tell me about {t}.",
    "tell me more about {t}",
    "Give me a short overview of {t}.",
    "I need help with {t}.",
    "help me with {t}",
    "How does {t} work?",
    "Why is {t} important?",
    "What should I know about {t}?",
    "Summarize {t} in three bullet points.",
    "Write a short essay about {t}.",
    "I don't understand {t}.",
    "What are the most important facts about {t}?",
    "Give me an example of {t}.",
    "Quiz me on {t}.",
    "Make a list of questions about {t}.",
    "I'm preparing a talk on {t}, where do I start?",
    "{t}?",
    "{t}",
    "question about {t}",
    "Any good books about {t}?",
    "What do experts say about {t}?",
    "Write a blog post about {t}.",
    "Compare different views on {t}.",
    "What are common misconceptions about {t}?",
    "Teach me {t} step by step.",
    "How would you describe {t} to a child?",
    "My teacher asked us about {t} today. What should I answer?",
    "Is there anything new about {t}?",
    "I read something about {t} and got curious, can you go into detail?",
    "Define {t}.",
    "basics of {t}",
    "Let's talk about {t}.",
    "Create a lesson plan on {t}.",
    "What questions should I ask about {t}?",
    "Give me the pros and cons regarding {t}.",
    "Draft an outline for a paper on {t}.",
    "pls explain {t} quickly",
    "How can I learn about {t}?",
    "Who knows most about {t} and what do they say?",
    "What's the story with {t}?",
    "Could you walk me through {t}?",
    "I have a question regarding {t}: where does it come from?",
    "Describe {t} in detail.",
    "Discuss {t}.",
    "Which of the following best describes {t}?",
    "Which of these statements about {t} is correct?",
    "An introduction to {t}, please.",
]
# A topic of WordNet is a bare noun, which not every frame suits.
NOUN_FRAMES = [
    "What is {a}?",
    "what is {a}",
    "what's {a}",
    "Explain what {a} is.",
    "Tell me about {p}.",
    "define {t}",
    "What does {t} mean?",
    "What does the term '{t}' mean?",
    "meaning of {t}",
    "How does {a} work?",
    "{t}",
    "Can you give me an example of {a}?",
    "I'd like to know more about {p}.",
    "What is {a} used for?",
    "how do I recognise {a}",
    "What is the difference between {a} and {a2}?",
    "{t} vs {t2}",
    "Compare {a} with {a2}.",
    "Describe {a} and {a2}.",
    "Write a paragraph about {t} and {t2}.",
    "Is {a} the same as {a2}?",
    "Give me facts about {p}.",
    "Could you explain {t} to a beginner?",
    "Which one is {a}: {t2} or {t}?",
]
FOREIGN_FRAMES = {
    "de": ["Was ist {t}?", "Erkläre mir {t}.", "Kannst du mir etwas über {t} erzählen?", "Ich brauche Hilfe mit {t}."],
    "fr": ["Qu'est-ce que {t} ?", "Explique-moi {t}.", "Parle-moi de {t}.", "J'ai besoin d'aide avec {t}."],
    "es": ["¿Qué es {t}?", "Explícame {t}.", "Háblame de {t}.", "Necesito ayuda con {t}."],
}
PREFIXES = [
    "Hi! ",
    "Hello, ",
    "hey ",
    "Hi there, can you help me? ",
    "Please help: ",
    "Quick question: ",
    "quick question - ",
    "Good morning. ",
    "Dear assistant, ",
    "I was wondering, ",
    "Sorry to bother you, but ",
    "ok so ",
    "Hey ChatGPT, ",
    "You are a helpful assistant. ",
    "I have a question. ",
    "As an expert, ",
    "For my homework: ",
    "pls ",
    "yo ",
    "Can you help me with this one? ",
    "Answer briefly. ",
    "User: ",
    "Q: ",
    "Question: ",
]
SUFFIXES = [
    " Thanks!",
    " Thank you in advance.",
    " thx",
    " Please be brief.",
    " Keep it short.",
    " Answer in one sentence.",
    " Explain your reasoning.",
    " Think step by step.",
    " I'm a beginner.",
    " Use simple words.",
    " please",
    " Give me the answer only.",
    " It's urgent.",
    " Write at most 200 words.",
    " Answer in English.",
    " :)",
]


def article(noun: str) -> str:
    """The noun with its indefinite article; a name or a plural stays as it is."""
    if noun[:1].isupper() or (noun.endswith("s") and not noun.endswith(("ss", "us", "is"))):
        return noun
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def plural(noun: str) -> str:
    """A plain English plural, good enough for a prompt."""
    if noun[:1].isupper() or noun.endswith("s"):
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("x", "ch", "sh")) else "s")


def ask(rng: random.Random, topic: str) -> str:
    """A prompt about a handwritten topic."""
    text = rng.choice(FRAMES).format(t=topic)
    return text[0].upper() + text[1:] if rng.random() < 0.7 else text


def ask_noun(rng: random.Random, noun: str, other: str) -> str:
    """A prompt about a noun; `other` is one of the same subject, for comparisons."""
    frame = rng.choice(NOUN_FRAMES)
    return frame.format(t=noun, t2=other, a=article(noun), a2=article(other), p=plural(noun))


def typo(rng: random.Random, text: str, rate: float = 0.03) -> str:
    """Neighbouring letters swapped, dropped or doubled here and there."""
    out = list(text)
    for i in range(len(out) - 1):
        if out[i].isalpha() and out[i + 1].isalpha() and rng.random() < rate:
            kind = rng.randrange(3)
            if kind == 0:
                out[i], out[i + 1] = out[i + 1], out[i]
            elif kind == 1:
                out[i] = ""
            else:
                out[i] = out[i] * 2
    return "".join(out)


def rough(rng: random.Random, text: str, english: bool = True) -> str:
    """The text as people type it: other case, no punctuation, typos; an English one with a greeting before or a request
    after it."""
    kind = rng.random()
    if kind < 0.12:
        text = text.lower()
    elif kind < 0.16:
        text = text.upper()
    elif kind < 0.24:
        text = text.lower().rstrip("?.!")
    elif kind < 0.30:
        text = "".join(c for c in text if c.isalnum() or c.isspace() or unicodedata.category(c)[0] == "M")
    elif kind < 0.38:
        text = typo(rng, text)
    if not english:
        return text
    if rng.random() < 0.18:
        text = rng.choice(PREFIXES) + text
    if rng.random() < 0.12:
        text += rng.choice(SUFFIXES)
    return text
