"""Words to make harmless texts from, by language, and hashtags."""

import random

__all__ = ["TOPICS", "phrases"]

_WORDS = {
    "en": "morning coffee train late again rain sun game tonight great market park"
    " dinner music street light happy slow bridge river",
    "fr": "matin café métro retard pluie soleil match soir marché parc dîner musique"
    " rue lumière pont rivière été déjà hôtel où",
    "es": "mañana café tren tarde lluvia sol partido noche mercado parque cena música"
    " calle luz puente río niño corazón año aquí",
    "pt": "manhã café trem atraso chuva sol jogo noite mercado parque jantar música"
    " rua luz ponte rio coração amanhã não já",
    "de": "Morgen Kaffee Zug spät Regen Sonne Spiel Abend Markt Park Essen Musik"
    " Straße Licht Brücke Fluss schön heute größer über",
    "ar": "صباح قهوة قطار مطر شمس مباراة مساء سوق حديقة عشاء موسيقى شارع ضوء جسر نهر",
    "ru": "утро кофе поезд дождь солнце матч вечер рынок парк ужин музыка улица свет мост река",
    "ja": "朝 コーヒー 電車 雨 晴れ 試合 夜 市場 公園 夕食 音楽 通り 光 橋 川",
    "hi": "सुबह चाय ट्रेन बारिश धूप मैच शाम बाज़ार पार्क संगीत सड़क रोशनी पुल नदी",
}
TOPICS = (
    "goodmorning",
    "nofilter",
    "gameday",
    "rain",
    "citylife",
    "café",
    "traffic",
    "weekend",
    "おはよう",
    "утро",
)


def phrases(rng: random.Random, count: int = 500) -> dict[str, list[str]]:
    """Ready texts by language, to choose from without making each anew."""
    return {
        language: [" ".join(rng.choices(words.split(), k=rng.randint(4, 14))) for _ in range(count)]
        for language, words in _WORDS.items()
    }
