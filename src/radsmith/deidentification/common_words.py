"""Words that tell of nobody by themselves: of radiology, of hospitals, of every day.

They protect what is guessed (a hospital's name in parts, another person's name, a spelling that is
only alike). The patient's own name is never protected by them.
"""

from __future__ import annotations

from functools import cache

from radsmith.deidentification.spelling import folded
from radsmith.language.cues import CONTROL
from radsmith.language.vocabulary import default_vocabulary, fold, fold_word

PROTOCOL_WORDS = """
    ax cor sag obl tra trans loc localizer scout topogram survey wo w contrast pre post delay phase
    early late venous portal arterial head body chest abd pelvis spine brain neck leg arm limb soft
    bone lung std standard recon mpr mip thin thick mm slice helical spiral routine adult pediatric
    child kernel fse tse se gre epi dwi adc flair stir fs ir spgr space vibe haste ap pa lat left
    right lt rt view erect supine portable screening diagnostic low dose high res hr iso gated
    perfusion map trace delayed bolus tracking smart prep plain film series image study dynamic
    axial coronal sagittal oblique with without and of the in for to by on at upper lower
    gd gadolinium gadobutrol gadoterate iodine iohexol iopamidol iopromide iodixanol omnipaque
    becken kopf schadel knie hufte schulter wirbelsaule hws bws lws nativ km mit ohne seitlich
    thorax abdomen crane genou hanche epaule rachis bassin poumon sans avec injection profil face
    cheville poignet rodilla cadera hombro columna torax craneo pulmon cerebro contraste tobillo
    muneca ginocchio anca spalla torace cranio bacino rachide encefalo polmone caviglia polso
    joelho quadril ombro coluna cabeca heup schouder schedel bekken pols enkel kolano biodro bark
    czaszka kregoslup miednica omuz kafa gogus hoft huvud lunga kna
    ultravist visipaque isovue gadovist dotarem barium air water test cine loop doppler color
"""
"""Words of series and study descriptions."""

_HOSPITAL = """
    hospital hospitals clinic clinics klinik kliniken klinikum krankenhaus spital hopital hopitaux
    hospices ospedale ospedali policlinico hospitalier hospitalar hospitales sanatorium sanatorio
    clinica clinico clinique university universitat universitats universitatsklinik universite
    universita universidad universitario universitaire universiteit universitetssjukhuset sykehus
    sygehus sjukhus sairaala ziekenhuis kliniek szpital nemocnice korhaz spitalul bolnica hastane
    hastanesi college school faculty academic teaching medical medicine medizin medicina medecine
    medizinische medizinisches imaging image radiology radiologie radiologia radiologi radiologische
    diagnostic diagnostics diagnostik diagnostique diagnostica department departement abteilung
    dipartimento departamento service servicio servizio unit institute institut instituto istituto
    institution centre center central zentrum centro centrum general generale national regional
    district county city municipal community memorial royal state federal public private saint
    sainte saints st ste santa san santo sankt sint holy sacred childrens children child kinder
    women womens mother maternity veterans veteran military army navy health healthcare care
    system systems group partners associates foundation trust network services society company
    gmbh ltd inc llc plc corp ag kg sa srl heart cardiac cardiology cancer oncology tumor tumour
    trauma emergency surgery surgical orthopaedic orthopedic eye dental rehabilitation rehab
    infirmary dispensary practice praxis cabinet laboratory laboratories labor north south east west
    northern southern eastern western nord sud ost est oeste norte sur sul upper lower new old great
    greater main street road avenue lane drive square place boulevard strasse str weg platz allee
    rue place via viale calle plaza avenida rua house building floor room suite ward wing block
    station scanner mobile bed bay rad room ct mr mri us cr dx xa nm pet xray
    of the and for at in to de des du la le les der die das den dem und fur im am zu an del della
    delle dei di da do dos das y e et el los las van von en av i og och
"""
_EVERYDAY = """
    a able about above abrupt absent according across active actual adequate after again against
    age ago all almost alone along already also although always am among amount an and another any
    apart appear appearance appearances appears approximately are area areas around as aside
    assessed assessment at available away back bad base based be because been before begin behind
    being below best better between beyond big black blue both bottom bright brown but by call
    called came can cannot case cases cause caused central change changed changes clear clearly
    close cold come coming common compare compared comparison complete completely concern condition
    consider considered contact correlate correlation could course current dark date day days dear
    deep did difference different difficult discussed do does done doubt down due during each early
    easily edge effect eight either else end enough entire equal especially even evening ever every
    exam examination except extent face fact fair far fast feature features few field final find
    finding findings fine first five follow followed following for found four free from front full
    further gave general get give given go gone good gray great green grey group grown had half
    hand hard has have he head help her here high him his history hold home hospital hour hours how
    however i if impression improved in include includes increase increased indicated information
    interval into is it its just keep kind king known large largely largest last late later latter
    least leave left length less let level life light like likely limited line list little long
    look looked loss lost low main major make many mark marked may me mean measure measured
    measures measuring meeting mild minor minute moderate moderately more morning most much must my
    name narrow near need never new next night nine no none noon nor normal not note noted nothing
    now number of off often old on once one only open opinion or order other otherwise our out over
    own page pain part partly past patient people per perhaps person place plain plan please point
    poor position possible present prior probable problem question quite rather read reason recent
    recently recommend recommended red referral region regular rest result results review rich
    right round said same saw say scan second see seen send sent series set seven several severe
    shade shape sharp she short should show showed shown shows side sign signs similar simple since
    single site six size slight slightly slow small so soft some soon stable start state stay
    still stop straight strong study such suggest suggested swift take taken technique ten than
    thank that the their them then there these they thick thin thing think third this those though
    three through time to today together told too top total toward transfer true try turn two type
    under unlikely until up upon use used usual usually value very view visit wait walk wall want
    warm was way we week weeks well were what when where whether which while white who whole whose
    why wide will wise with within without wood woods word work would year years yellow yes yet you
    young your informed explained discussion daughter son wife husband brother sister doctor nurse
    mr mrs ms miss dr prof self referred referring physician staff external outside pool admin user
    tech technologist technician radiologist resident attending reader operator walk none
    der die das den dem ein eine einer eines einem einen und oder mit ohne nicht kein keine keinen
    im in am an auf aus bei bis durch fur gegen nach uber um unter vom von vor zum zur zu ist sind
    war hat wird wurde befund beurteilung links rechts beidseits knie lunge herz kopf bauch erguss
    bruch fraktur normal unauffallig kontrastmittel herr frau patientin klinische angaben gross
    klein lang kurz weiss schwarz jung alt neu stark roth zeigt zeigte hand hals fuss
    le la les un une des du de et ou avec sans pas au aux dans par pour sur est sont cette ce genou
    poumon coeur tete thorax epanchement fracture gauche droite droit absence examen compte rendu
    grand petit blanc noir monsieur madame montre
    el los las una uno unos y con sin no en por para del al se es son rodilla derrame pulmon corazon
    cabeza torax fractura izquierda derecha izquierdo derecho paciente senor senora muestra estudio
    il lo gli i e o con senza non nel nella del della per su sono ginocchio versamento polmone cuore
    paziente signor signora mostra esame sinistro destro sinistra destra frattura
    os uma um com sem nao na em joelho derrame pulmao coracao doente senhor senhora mostra exame
    esquerdo direito het een met zonder geen naar knie vocht long hart patient meneer mevrouw toont
    nie jest bez ze kolano plyn pan pani pacjent pacjentka lewe prawe badanie
    ve ile bir bu sol sag diz sivi hasta bay bayan
"""


@cache
def common_words() -> frozenset[str]:
    """All of them, folded as `spelling.folded` does."""
    listed = f"{_HOSPITAL} {_EVERYDAY} {PROTOCOL_WORDS}".split()
    return frozenset(folded(w) for w in listed) | known_words() | _whole_forms()


@cache
def known_words() -> frozenset[str]:
    """Words of the vocabulary, of prompts and of protocols, as `vocabulary.fold_word` folds."""
    vocabulary = default_vocabulary()
    forms = {word for words, _ in vocabulary.all_forms() for word in fold(words)}
    control = {word for _, entries in CONTROL for words in entries for word in fold(words)}
    return frozenset(forms | control | {fold_word(w) for w in PROTOCOL_WORDS.split()})


def is_common(word: str) -> bool:
    """Whether a folded word tells of nobody by itself; plural and British forms too."""
    return word in common_words() or fold_word(word) in common_words()


@cache
def _whole_forms() -> frozenset[str]:
    vocabulary = default_vocabulary()
    return frozenset(w for words, _ in vocabulary.all_forms() for w in folded(words).split())
