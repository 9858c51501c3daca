"""Made-up people of many languages, as headers hold their names and as texts write them.

Nobody here is real: family and given names are combined by number. `held` names were written at the
same time as the others and not looked at while the rules were made.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

LATIN_SENTENCES = {
    "en": ("{} has a moderate effusion of the left knee.", "Findings were discussed with {} today.",
           "No fracture. {} reports pain after a fall."),
    "de": ("{} hat einen Erguss im linken Knie.", "Der Befund wurde mit {} besprochen.",
           "Keine Fraktur bei {} nachweisbar."),
    "fr": ("{} présente un épanchement du genou gauche.", "Pas de fracture chez {} ce jour."),
    "es": ("{} presenta derrame en la rodilla izquierda.", "Sin fractura en {} hasta ahora."),
    "pt": ("{} apresenta derrame no joelho esquerdo.", "Sem fratura em {} neste exame."),
    "it": ("{} presenta versamento al ginocchio sinistro.", "Nessuna frattura in {} visibile."),
    "nl": ("{} heeft vocht in de linker knie.", "Geen fractuur bij {} zichtbaar."),
    "pl": ("{} ma wysięk w lewym kolanie.", "Bez złamania, {} zgłasza ból."),
    "tr": ("{} sol dizinde sıvı saptandı.", "Kırık yok, {} bilgilendirildi."),
    "sv": ("{} har vätska i vänster knä.", "Ingen fraktur hos {} idag."),
    "cs": ("{} má výpotek v levém koleni.", "Bez zlomeniny, {} udává bolest."),
    "hu": ("{} bal térdében folyadék látható.", "Törés nincs, {} fájdalmat jelez."),
    "vi": ("{} có tràn dịch khớp gối trái.", "Không gãy xương, {} đau khi đi."),
    "ro": ("{} prezintă revărsat la genunchiul stâng.", "Fără fractură, {} acuză durere."),
}  # fmt: skip
NATIVE_SENTENCES = {
    "ru": ("Пациент {} жалуется на боль в колене.", "Перелома нет, {} осмотрен."),
    "uk": ("Пацієнт {} скаржиться на біль у коліні.", "Перелому немає, {} оглянуто."),
    "el": ("Ο ασθενής {} έχει υγρό στο γόνατο.", "Χωρίς κάταγμα, {} αναφέρει πόνο."),
    "ar": ("المريض {} يعاني من ألم في الركبة.", "لا يوجد كسر عند {} حاليا."),
    "he": ("המטופל {} סובל מכאב בברך.", "אין שבר, {} הופנה לביקורת."),
    "hi": ("मरीज {} के घुटने में दर्द है।", "हड्डी टूटी नहीं है, {} को बताया गया।"),
    "zh": ("患者{}，左膝关节积液。", "{}先生无骨折。"),
    "ja": ("{}さんの左膝に関節液を認める。", "骨折なし。{}様に説明した。"),
    "ko": ("{} 님의 왼쪽 무릎에 삼출액이 있음.", "골절 없음. {}씨에게 설명함."),
    "th": ("ผู้ป่วย {} มีน้ำในข้อเข่าซ้าย", "ไม่พบกระดูกหัก {} ปวดเข่า"),
}
# fmt: off
LATIN = {  # language: (family names, given names), then the same held out
    "en": (("Ng", "White", "O'Brien", "Hartwell-Moss", "Small", "McAllister", "Li"),
           ("Siobhan Mary", "Quentin", "Jo", "Anne-Marie", "Tim"),
           ("Chest", "O'Shaughnessy", "Wu", "Grey", "Blackwood-Finch", "Hand"),
           ("Eilidh", "Max", "Mary Jane", "D'Arcy")),
    "de": (("Müller-Lüdenscheidt", "Groß", "von der Heide", "Jäger", "Weiß", "Kühn", "Lang"),
           ("Ägidius", "Jörg", "Karl-Heinz", "Käthe", "Uwe"),
           ("Schäffler", "Königsstein", "zu Altenbruck", "Süß", "Böhm-Brückner", "Kurz"),
           ("Günter", "Ännchen", "Hans-Jürgen", "Ida")),
    "fr": (("Lefèvre", "d'Aubigny", "Bélanger-Roy", "Noël", "Le Goff", "Petit"),
           ("Zoé", "Jean-François", "Maëlle", "Élodie", "Loïc"),
           ("Crèvecœur", "de La Tour", "L'Hermitte", "Gagné", "Blanc"),
           ("Anaïs", "Marie-Ève", "Hervé", "Léo")),
    "es": (("Núñez Peña", "Íñigo", "Castaño", "De la Cruz", "Muñoz-Güell", "Colón"),
           ("José María", "Begoña", "Ángel", "Inés", "Rocío"),
           ("Ibáñez", "Zúñiga Ordóñez", "Güemes", "Cabeza", "Piñeiro"),
           ("Concepción", "Iñaki", "Óscar", "Luz")),
    "pt": (("Conceição", "dos Santos Falcão", "Brandão", "Araújo-Leitão", "Sá"),
           ("João", "Inês", "Antônio", "Conceição Maria", "Rui"),
           ("Magalhães", "da Assunção", "Simões", "Patrão", "Sanção"),
           ("Luís", "Beatriz", "Estêvão", "Zé")),
    "it": (("D'Angelo", "Nicolò", "De Santis", "Forlì", "Bianco"),
           ("Niccolò", "Maria Grazia", "Giosuè", "Enzo", "Ugo"),
           ("Dell'Acqua", "Lo Presti", "Cantù", "Zanè", "Rosso"),
           ("Salomè", "Gian-Luca", "Noè", "Ada")),
    "nl": (("van der Berg", "de Groot", "'t Hart", "Brouwer-Smit", "IJsbrand"),
           ("Daniëlle", "Jan-Willem", "Zoë", "Noor", "Ko"),
           ("ter Beek", "van 't Hoff", "Coëlho", "Vries", "Long"),
           ("Anniek", "Piet-Hein", "Loïs", "Bo")),
    "pl": (("Wiśniewska", "Żółkiewski", "Łęcka", "Gąsior-Dąb", "Kowal"),
           ("Małgorzata", "Zbigniew", "Jędrzej", "Łucja", "Ola"),
           ("Źdźbło", "Świętochowski", "Ćwikła", "Brzęk", "Mąka"),
           ("Grażyna", "Świętopełk", "Ewa", "Radosław")),
    "tr": (("Yılmaz", "Çağlayan", "Işıkoğlu", "Öztürk", "Şen"),
           ("İbrahim", "Ayşegül", "Gülşen", "Işık", "Can"),
           ("Kılıçdağ", "Göğüş", "Üçok", "Erdoğmuş", "İnce"),
           ("Çiğdem", "Oğuz", "İpek", "Ümit")),
    "sv": (("Ångström", "Sjöberg", "Åkesson-Löv", "Møller", "Bjørnstad"),
           ("Åsa", "Björn", "Göran", "Søren", "Öst"),
           ("Öhrn", "Hägglund", "Aaård", "Kjær", "Ek"),
           ("Märta", "Håkan", "Jørn", "Bo-Göran")),
    "cs": (("Dvořáková", "Říha", "Žižka", "Šťastný", "Novák"),
           ("Jiří", "Věra", "Zdeněk", "Ludmila", "Aleš"),
           ("Křížová", "Čapek", "Ševčík", "Ďurica", "Bílý"),
           ("Ondřej", "Žofie", "Štěpán", "Eva")),
    "hu": (("Kovács", "Szőke", "Gyürkös", "Nagyné-Őry", "Vörös"),
           ("Zsófia", "György", "Ágnes", "Örs", "Tünde"),
           ("Csányi", "Tóth-Bődy", "Hőgyes", "Fűzfa", "Kis"),
           ("Piroska", "Győző", "Émi", "Lőrinc")),
    "vi": (("Nguyễn", "Đặng", "Phạm Thị", "Lê", "Võ"),
           ("Thị Hằng", "Văn Đức", "Ngọc Ánh", "An", "Thúy"),
           ("Trương", "Huỳnh", "Đỗ", "Ngô", "Bùi"),
           ("Minh Khuê", "Quỳnh", "Đình Phước", "Hà")),
    "ro": (("Țurcanu", "Mărgineanu", "Ștefănescu", "Pop", "Brâncuș"),
           ("Ioniță", "Ana-Maria", "Răzvan", "Ștefan", "Ion"),
           ("Câmpeanu", "Lupu", "Păduraru", "Vîlcu", "Rotaru"),
           ("Cătălina", "Mircea", "Anca", "Doru")),
}
NATIVE = {  # language: ((Latin, native[, phonetic]) ...) families, given, then the same held out
    "ru": ((("Vorontsov", "Воронцов"), ("Shcherbakov", "Щербаков"), ("Tsvetkov", "Цветков"),
            ("Yuzhin", "Южин"), ("Zhukov", "Жуков")),
           (("Pyotr", "Пётр"), ("Yuri", "Юрий"), ("Andrey", "Андрей"), ("Nikita", "Никита")),
           (("Khmelnov", "Хмельнов"), ("Chistyakov", "Чистяков"), ("Zaytsev", "Зайцев"),
            ("Gorshkov", "Горшков")),
           (("Fyodor", "Фёдор"), ("Ilya", "Илья"), ("Maksim", "Максим"))),
    "uk": ((("Bondarenko", "Бондаренко"), ("Kovalchuk", "Ковальчук"), ("Hrytsenko", "Гриценко")),
           (("Oksana", "Оксана"), ("Mykola", "Микола"), ("Iryna", "Ірина"), ("Bohdan", "Богдан")),
           (("Shevchuk", "Шевчук"), ("Melnyk", "Мельник"), ("Yaroshenko", "Ярошенко")),
           (("Taras", "Тарас"), ("Halyna", "Галина"), ("Zoya", "Зоя"))),
    "el": ((("Papadakis", "Παπαδάκης"), ("Georgiou", "Γεωργίου"), ("Nikolaidis", "Νικολαΐδης"),
            ("Makris", "Μακρής")),
           (("Nikos", "Νίκος"), ("Eleni", "Ελένη"), ("Dimitris", "Δημήτρης"), ("Sofia", "Σοφία")),
           (("Karagiannis", "Καραγιάννης"), ("Oikonomou", "Οικονόμου"), ("Vlachos", "Βλάχος")),
           (("Giorgos", "Γιώργος"), ("Katerina", "Κατερίνα"), ("Spyros", "Σπύρος"))),
    "ar": ((("Al-Hassan", "الحسن"), ("Mansour", "منصور"), ("Khalidi", "خالدي"),
            ("Darwish", "درويش")),
           (("Mohammed", "محمد"), ("Fatima", "فاطمة"), ("Samir", "سمير"), ("Yasmin", "ياسمين")),
           (("Al-Qasim", "القاسم"), ("Barakat", "بركات"), ("Najjar", "نجار")),
           (("Karim", "كريم"), ("Mahmoud", "محمود"), ("Salma", "سلمى"))),
    "he": ((("Levi", "לוי"), ("Mizrahi", "מזרחי"), ("Friedman", "פרידמן"), ("Shapira", "שפירא")),
           (("David", "דוד"), ("Rivka", "רבקה"), ("Shlomo", "שלמה"), ("Miriam", "מרים")),
           (("Goldstein", "גולדשטיין"), ("Ben-David", "בן דוד"), ("Katz", "כץ")),
           (("Avraham", "אברהם"), ("Noam", "נועם"), ("Sarah", "שרה"))),
    "hi": ((("Sharma", "शर्मा"), ("Gupta", "गुप्ता"), ("Mishra", "मिश्रा"), ("Verma", "वर्मा")),
           (("Priya", "प्रिया"), ("Rahul", "राहुल"), ("Sunita", "सुनीता"), ("Vikram", "विक्रम")),
           (("Chaturvedi", "चतुर्वेदी"), ("Patel", "पटेल"), ("Saxena", "सक्सेना")),
           (("Deepak", "दीपक"), ("Kavita", "कविता"), ("Arjun", "अर्जुन"))),
    "zh": ((("Wang", "王"), ("Ouyang", "欧阳"), ("Liu", "刘"), ("Gao", "高"), ("Lü", "吕")),
           (("XiaoDong", "小东"), ("Mei", "梅"), ("Jianguo", "建国"), ("Wenjing", "文静")),
           (("Zhang", "张"), ("Sima", "司马"), ("Bai", "白"), ("Xu", "许")),
           (("Yuhan", "雨涵"), ("Qiang", "强"), ("Zhiyuan", "志远"))),
    "ja": ((("Yamada", "山田", "やまだ"), ("Itou", "伊藤", "いとう"),
            ("Saitou", "齋藤", "さいとう"),
            ("Hara", "原", "はら"), ("Takahashi", "髙橋", "たかはし")),
           (("Tarou", "太郎", "たろう"), ("Youko", "陽子", "ようこ"), ("Ken", "健", "けん"),
            ("Shinichi", "慎一", "しんいち")),
           (("Watanabe", "渡邊", "わたなべ"), ("Oono", "大野", "おおの"), ("Mori", "森", "もり")),
           (("Yuuki", "優希", "ゆうき"), ("Sakura", "さくら", "さくら"), ("Ryou", "亮", "りょう"))),
    "ko": ((("Hong", "洪", "홍"), ("Kim", "金", "김"), ("Park", "朴", "박"), ("Lee", "李", "이")),
           (("Gildong", "吉洞", "길동"), ("Min-su", "敏洙", "민수"), ("Ji-young", "智英", "지영"),
            ("Seo-yeon", "瑞姸", "서연")),
           (("Choi", "崔", "최"), ("Jung", "鄭", "정"), ("Kang", "姜", "강")),
           (("Ha-eun", "夏恩", "하은"), ("Dong-hyun", "東賢", "동현"),
            ("Jin-woo", "眞雨", "진우"))),
    "th": ((("Srisuk", "ศรีสุข"), ("Chaiyaphum", "ไชยภูมิ"), ("Thongdee", "ทองดี")),
           (("Somchai", "สมชาย"), ("Malee", "มาลี"), ("Prasert", "ประเสริฐ")),
           (("Wongsawat", "วงศ์สวัสดิ์"), ("Boonmee", "บุญมี")),
           (("Anan", "อนันต์"), ("Kanya", "กัญญา"))),
}
# fmt: on
INSTITUTIONS = (
    "Northfield Chest Hospital",
    "Klinikum Sankt Wolfhard",
    "Centre Hospitalier de Vaubrun",
    "General Hospital for Chest and Heart",
    "Hospital Santa Eulalina",
    "Ospedale Maggiore di Trebina",
    "Brackwater University Medical Center",
    "東山総合病院",
    "Szpital Miejski w Brzezince",
    "Medizinisches Zentrum Obertann",
)  # fmt: skip
_NOT_HEARD = ("ja", "th", "ar", "he", "ko")
"""Where the Latin form of a native name is not looked for, unless the header gives it."""
PER_LANGUAGE = (14, 8)
_PLAIN, _OUT = "o O l L d D i ss oe OE ae", "ae oe ue aa oe ss Ae Oe Ue Aa Oe"
_ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, kw_only=True)
class Person:
    """One made-up patient. header: PN value.  written: the name as texts write it."""

    language: str
    held: bool
    header: str
    written: tuple[str, ...]
    number: str
    accession: str
    born: str
    institution: str
    sentences: tuple[str, ...]

    @property
    def numbers_written(self) -> tuple[str, ...]:
        """Number, accession and birth date as texts write them."""
        y, m, d = self.born[:4], self.born[4:6], self.born[6:]
        bare = self.number.replace("-", "")
        return (self.number, bare.lower(), self.accession, f"{d}.{m}.{y}", f"{m}/{d}/{y[2:]}",
                f"{y}-{m}-{d}", self.born, f"{int(d)}.{int(m)}.{y}")  # fmt: skip


def people() -> Iterator[Person]:
    """All of them, in a fixed order."""
    number = 0
    for language in (*LATIN, *NATIVE):
        for held in (False, True):
            found = _latin(language, held) if language in LATIN else _native(language, held)
            for header, written, sentences in islice(found, PER_LANGUAGE[held]):
                number += 1
                yield Person(
                    language=language,
                    held=held,
                    header=header,
                    written=tuple(dict.fromkeys(written)),
                    number=f"QX-{700000 + 137 * number}",
                    accession=f"A{number % 90 + 10}7{number:04d}3",
                    born=f"{1931 + number % 70}{number % 12 + 1:02d}{number % 28 + 1:02d}",
                    institution=INSTITUTIONS[number % len(INSTITUTIONS)],
                    sentences=sentences,
                )


def _pairs(families: tuple, given: tuple) -> Iterator[tuple]:
    for step in range(len(given)):
        for n, family in enumerate(families):
            yield family, given[(n + step) % len(given)]


def _latin(language: str, held: bool) -> Iterator[tuple]:
    names = LATIN[language]
    for n, (family, given) in enumerate(_pairs(names[2 * held], names[2 * held + 1])):
        header = f"{family}^{given.replace(' ', '^', 1)}" if n % 2 else f"{family}^{given}"
        written = list(_written(family, given))
        if language in ("de", "sv"):
            written += [written_out(f"{given} {family}"), written_out(family).upper()]
        if language == "de" and n % 3 == 0:
            header = written_out(header)
        if n % 4 == 3:
            header = bare(header)
        yield header, written, LATIN_SENTENCES[language]


def _written(family: str, given: str) -> Iterator[str]:
    yield f"{given} {family}"
    yield f"{family}, {given}"
    yield f"{family} {given}".upper()
    yield bare(f"{given} {family}")
    yield bare(f"{family} {given}").lower()
    yield family
    yield f"{family}_{given}".replace(" ", "_")
    yield f"{given[0]}. {family}"
    yield family.replace("'", "’")
    yield family.replace("-", " ").replace("'", "")
    yield bare(f"{family}{given}").replace(" ", "").replace("-", "").replace("'", "")


def _native(language: str, held: bool) -> Iterator[tuple]:
    names = NATIVE[language]
    for n, (family, given) in enumerate(_pairs(names[2 * held], names[2 * held + 1])):
        groups = ["^".join(pair) for pair in zip(family, given, strict=True)]
        main = 2 if language == "ko" else 1
        header = ("=".join(groups), groups[main], groups[0])[n % 3]
        gap = "" if language in ("zh", "ja", "ko") else " "
        order = (family[main], given[main]) if gap == "" else (given[main], family[main])
        told_native = n % 3 != 2 or language not in ("ja", "th")  # kanji, Thai: see the guide
        native = [gap.join(order)]
        if n % 3 != 2:
            native += [f"{family[main]} {given[main]}"]
            if language in ("ru",) and not given[1].endswith("а"):
                native += [f"{family[1]}у", f"{family[1]}ым"]
            if len(family) > 2 and n % 3 == 0:
                native += [family[1] + given[1], f"{family[2]} {given[2]}"]
        latin = [f"{given[0]} {family[0]}", f"{family[0]}, {given[0]}",
                 f"{family[0]} {given[0]}".upper()]  # fmt: skip
        if language in ("zh", "ko"):
            joined = given[0].replace("-", "")
            latin += [f"{family[0]} {joined.title()}", bare(f"{joined} {family[0]}")]
        heard = n % 3 != 1 or language not in _NOT_HEARD
        written = [*(native if told_native else ()), *(latin if heard else ())]
        yield header, written, NATIVE_SENTENCES[language]


def bare(text: str) -> str:
    """Without accents, as an old machine writes it."""
    for letter, plain in zip("øØłŁđĐıßœŒæ", _PLAIN.split(), strict=True):
        text = text.replace(letter, plain)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))


def written_out(text: str) -> str:
    """With ae, oe, ue, aa, ss."""
    for letter, plain in zip("äöüåøßÄÖÜÅØ", _OUT.split(), strict=True):
        text = text.replace(letter, plain)
    return text


def words(text: str) -> list[str]:
    """Words of a text without case and accents; Han, kana, Hangul and Thai as they stand."""
    marked = bare(text.replace("’", "'")).lower()
    return re.findall(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff])*", marked)


def left_of(mention: str, text: str, harmless: str = "") -> bool:
    """Whether any part of a mention, initials apart, is in a text more often than in `harmless`."""
    parts = [w for w in words(mention) if len(w) > 1]
    there, meant = Counter(words(text)), Counter(words(harmless))
    solid = "".join(parts)
    if solid and solid[0] >= "\u0e00" and not "\u1e00" <= solid[0] <= "\u1fff":
        size = 4 if solid[0] < "\u0f00" else 2
        joined = "".join(words(text))
        return any(solid[n : n + size] in joined for n in range(max(1, len(solid) - size + 1)))
    return any(there[part] > meant[part] for part in parts)
